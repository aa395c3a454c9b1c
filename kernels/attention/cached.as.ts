// One decoding step: each row attends to the `length` positions of its own past, whose keys and values
// lie in the cache rows that its ancestors wrote.
//
// Memory: reads q (R, E), keys and values (R0, L, E), ancestors (R, L), length (); overwrites out (R, E).
// `scratch` holds the scores of one head, the mask of its keys and where they lie, each L rounded up to 8,
// and 4 floats.
// Work: units are heads of rows, r * H + h.
import { loadTail, storeTail, sumLanes } from "../simd_math.as";
import { maskRow, roundUp8, rowBytes, softmaxRow } from "./tiles.as";

/** Bytes from the start of a cache to each of a row's positions: what its heads share. */
function locate(to: usize, ancestors: usize, count: i32, L: i32, E: i32): void {
  for (let j = 0; j < count; j++) {
    const at = <usize>j << 2;
    store<u32>(to + at, <u32>rowBytes(load<i32>(ancestors + at) * L + j, E));
  }
}

/** Address of what `base` points at in position j. */
@inline
function cacheAt(base: usize, places: usize, j: i32): usize {
  return base + <usize>load<u32>(places + (<usize>j << 2));
}

export function attention_cached(
  q: usize, keys: usize, values: usize, ancestors: usize, length: usize, out: usize, scratch: usize,
  L: i32, H: i32, D: i32, scale: f32, start: i32, end: i32,
): void {
  const E = H * D;
  const count = min(load<i32>(length), L);
  const padded = roundUp8(count);
  const mask = scratch + rowBytes(1, roundUp8(L));
  const places = mask + rowBytes(1, roundUp8(L));
  const spare = places + rowBytes(1, roundUp8(L));
  maskRow(mask, 0, count);
  let located = -1;
  for (let unit = start; unit < end; unit++) {
    const r = unit / H, h = unit % H;
    const head = rowBytes(h, D);
    if (r != located) locate(places, ancestors + rowBytes(r, L), count, L, E);
    located = r;
    const ownKeys = keys + head;
    const query = q + rowBytes(r, E) + head;
    let j = 0;
    for (; j + 4 <= count; j += 4) {
      scoreFour(
        scratch + (<usize>j << 2), query,
        cacheAt(ownKeys, places, j), cacheAt(ownKeys, places, j + 1),
        cacheAt(ownKeys, places, j + 2), cacheAt(ownKeys, places, j + 3), D,
      );
    }
    for (; j < count; j++) {
      const x = cacheAt(ownKeys, places, j);
      scoreFour(spare, query, x, x, x, x, D);
      store<f32>(scratch + (<usize>j << 2), load<f32>(spare));
    }
    softmaxRow(scratch, mask, count, padded, scale);
    mixValues(out + rowBytes(r, E) + head, scratch, values + head, places, count, D);
  }
}

/** Products of one query with four keys. */
@inline
export function scoreFour(to: usize, query: usize, a: usize, b: usize, c: usize, d: usize, D: i32): void {
  let x0 = f32x4.splat(0), x1 = f32x4.splat(0), x2 = f32x4.splat(0), x3 = f32x4.splat(0);
  let i: usize = 0;
  for (const end = <usize>(D & ~3) << 2; i < end; i += 16) {
    const y = v128.load(query + i);
    x0 = f32x4.add(x0, f32x4.mul(y, v128.load(a + i)));
    x1 = f32x4.add(x1, f32x4.mul(y, v128.load(b + i)));
    x2 = f32x4.add(x2, f32x4.mul(y, v128.load(c + i)));
    x3 = f32x4.add(x3, f32x4.mul(y, v128.load(d + i)));
  }
  const rest = D & 3;
  if (rest) {
    const y = loadTail(query + i, rest, 0);
    x0 = f32x4.add(x0, f32x4.mul(y, loadTail(a + i, rest, 0)));
    x1 = f32x4.add(x1, f32x4.mul(y, loadTail(b + i, rest, 0)));
    x2 = f32x4.add(x2, f32x4.mul(y, loadTail(c + i, rest, 0)));
    x3 = f32x4.add(x3, f32x4.mul(y, loadTail(d + i, rest, 0)));
  }
  v128.store(to, f32x4(sumLanes(x0), sumLanes(x1), sumLanes(x2), sumLanes(x3)));
}

/** out (D) = sum over j of p[j] value[j]. */
function mixValues(out: usize, p: usize, values: usize, places: usize, count: i32, D: i32): void {
  let d = 0;
  for (; d + 32 <= D; d += 32) {
    const column = values + (<usize>d << 2);
    let x0 = f32x4.splat(0), x1 = f32x4.splat(0), x2 = f32x4.splat(0), x3 = f32x4.splat(0);
    let x4 = f32x4.splat(0), x5 = f32x4.splat(0), x6 = f32x4.splat(0), x7 = f32x4.splat(0);
    for (let j = 0; j < count; j++) {
      const y = v128.load32_splat(p + (<usize>j << 2));
      const at = cacheAt(column, places, j);
      x0 = f32x4.add(x0, f32x4.mul(y, v128.load(at)));
      x1 = f32x4.add(x1, f32x4.mul(y, v128.load(at, 16)));
      x2 = f32x4.add(x2, f32x4.mul(y, v128.load(at, 32)));
      x3 = f32x4.add(x3, f32x4.mul(y, v128.load(at, 48)));
      x4 = f32x4.add(x4, f32x4.mul(y, v128.load(at, 64)));
      x5 = f32x4.add(x5, f32x4.mul(y, v128.load(at, 80)));
      x6 = f32x4.add(x6, f32x4.mul(y, v128.load(at, 96)));
      x7 = f32x4.add(x7, f32x4.mul(y, v128.load(at, 112)));
    }
    const to = out + (<usize>d << 2);
    v128.store(to, x0);
    v128.store(to, x1, 16);
    v128.store(to, x2, 32);
    v128.store(to, x3, 48);
    v128.store(to, x4, 64);
    v128.store(to, x5, 80);
    v128.store(to, x6, 96);
    v128.store(to, x7, 112);
  }
  for (; d < D; d += 4) {
    const width = min(4, D - d);
    const column = values + (<usize>d << 2);
    let x = f32x4.splat(0);
    for (let j = 0; j < count; j++) {
      const at = cacheAt(column, places, j);
      const y = width == 4 ? v128.load(at) : loadTail(at, width, 0);
      x = f32x4.add(x, f32x4.mul(v128.load32_splat(p + (<usize>j << 2)), y));
    }
    const to = out + (<usize>d << 2);
    if (width == 4) v128.store(to, x);
    else storeTail(to, x, width);
  }
}

// One decoding step: each row attends to the `length` positions of its own past, whose keys and values
// lie in the cache rows that its ancestors wrote.
//
// Memory: reads q (R, E), keys and values (R0, L, E), ancestors (R, L), length (); overwrites out (R, E).
// `scratch` holds the scores of one head and the mask of its keys, each L rounded up to 8, and 4 floats.
// Work: units are heads of rows, r * H + h.
import { loadTail, storeTail, sumLanes } from "../simd_math.as";
import { maskRow, roundUp8, rowBytes, softmaxRow } from "./tiles.as";

/** Address of the head's D floats of position j, as row r sees it. */
@inline
function cacheAt(base: usize, ancestors: usize, j: i32, L: i32, E: i32): usize {
  return base + rowBytes(load<i32>(ancestors + (<usize>j << 2)) * L + j, E);
}

export function attention_cached(
  q: usize, keys: usize, values: usize, ancestors: usize, length: usize, out: usize, scratch: usize,
  L: i32, H: i32, D: i32, scale: f32, start: i32, end: i32,
): void {
  const E = H * D;
  const count = min(load<i32>(length), L);
  const padded = roundUp8(count);
  const mask = scratch + rowBytes(1, roundUp8(L));
  maskRow(mask, 0, count);
  for (let unit = start; unit < end; unit++) {
    const r = unit / H, h = unit % H;
    const head = rowBytes(h, D);
    const past = ancestors + rowBytes(r, L);
    const query = q + rowBytes(r, E) + head;
    let j = 0;
    for (; j + 4 <= count; j += 4) {
      scoreFour(
        scratch + (<usize>j << 2), query,
        cacheAt(keys, past, j, L, E) + head, cacheAt(keys, past, j + 1, L, E) + head,
        cacheAt(keys, past, j + 2, L, E) + head, cacheAt(keys, past, j + 3, L, E) + head, D,
      );
    }
    for (; j < count; j++) {
      const x = cacheAt(keys, past, j, L, E) + head;
      scoreFour(mask + rowBytes(1, padded), query, x, x, x, x, D);
      store<f32>(scratch + (<usize>j << 2), load<f32>(mask + rowBytes(1, padded)));
    }
    softmaxRow(scratch, mask, count, padded, scale);
    mixValues(out + rowBytes(r, E) + head, scratch, values + head, past, count, L, E, D);
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
function mixValues(
  out: usize, p: usize, values: usize, past: usize, count: i32, L: i32, E: i32, D: i32,
): void {
  let d = 0;
  for (; d + 16 <= D; d += 16) {
    const column = values + (<usize>d << 2);
    let x0 = f32x4.splat(0), x1 = f32x4.splat(0), x2 = f32x4.splat(0), x3 = f32x4.splat(0);
    for (let j = 0; j < count; j++) {
      const y = v128.load32_splat(p + (<usize>j << 2));
      const at = cacheAt(column, past, j, L, E);
      x0 = f32x4.add(x0, f32x4.mul(y, v128.load(at)));
      x1 = f32x4.add(x1, f32x4.mul(y, v128.load(at, 16)));
      x2 = f32x4.add(x2, f32x4.mul(y, v128.load(at, 32)));
      x3 = f32x4.add(x3, f32x4.mul(y, v128.load(at, 48)));
    }
    const to = out + (<usize>d << 2);
    v128.store(to, x0);
    v128.store(to, x1, 16);
    v128.store(to, x2, 32);
    v128.store(to, x3, 48);
  }
  for (; d < D; d += 4) {
    const width = min(4, D - d);
    const column = values + (<usize>d << 2);
    let x = f32x4.splat(0);
    for (let j = 0; j < count; j++) {
      const at = cacheAt(column, past, j, L, E);
      const y = width == 4 ? v128.load(at) : loadTail(at, width, 0);
      x = f32x4.add(x, f32x4.mul(v128.load32_splat(p + (<usize>j << 2)), y));
    }
    const to = out + (<usize>d << 2);
    if (width == 4) v128.store(to, x);
    else storeTail(to, x, width);
  }
}

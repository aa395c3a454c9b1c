// One decoding step: each row attends to the `length` positions of its own past, whose keys and values
// lie in the cache rows that its ancestors wrote.
//
// Memory: reads q (R, E), keys and values (R0, L, E), ancestors (R, L), length (); overwrites out (R, E).
// `scratch` holds the scores of all heads, the mask of their keys and where they lie, each L rounded up
// to 8 long, and 4 floats.
// Work: units are rows. All heads of a position are read one after the other, as they lie in memory: a
// head at a time would fetch a quarter of the lines of each page, and the past does not fit a core's cache.
import { loadTail, storeTail, sumsOfLanes } from "../simd_math.as";
import { maskRow, roundUp8, rowBytes, softmaxRow } from "./tiles.as";

/** Positions whose values are added at a time: they stay in the first-level cache for all heads. */
const BLOCK: i32 = 16;

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
  const scoreStep = rowBytes(1, roundUp8(L)), headStep = rowBytes(1, D);
  const mask = scratch + <usize>H * scoreStep;
  const places = mask + scoreStep;
  const spare = places + scoreStep;
  maskRow(mask, 0, count);
  for (let r = start; r < end; r++) {
    const query = q + rowBytes(r, E), to = out + rowBytes(r, E);
    locate(places, ancestors + rowBytes(r, L), count, L, E);
    let j = 0;
    for (; j + 4 <= count; j += 4) {
      let a = cacheAt(keys, places, j), b = cacheAt(keys, places, j + 1);
      let c = cacheAt(keys, places, j + 2), d = cacheAt(keys, places, j + 3);
      let score = scratch + (<usize>j << 2);
      for (let head = query; head < query + rowBytes(1, E); head += headStep) {
        scoreFour(score, head, a, b, c, d, D);
        score += scoreStep;
        a += headStep;
        b += headStep;
        c += headStep;
        d += headStep;
      }
    }
    for (; j < count; j++) {
      for (let h = 0; h < H; h++) {
        const x = cacheAt(keys, places, j) + <usize>h * headStep;
        scoreFour(spare, query + <usize>h * headStep, x, x, x, x, D);
        store<f32>(scratch + <usize>h * scoreStep + (<usize>j << 2), load<f32>(spare));
      }
    }
    for (let h = 0; h < H; h++) softmaxRow(scratch + <usize>h * scoreStep, mask, count, padded, scale);
    memory.fill(to, 0, rowBytes(1, E));
    for (let first = 0; first < count; first += BLOCK) {
      for (let h = 0; h < H; h++) {
        const head = <usize>h * headStep;
        const p = scratch + <usize>h * scoreStep;
        addValues(to + head, p, values + head, places, first, min(count, first + BLOCK), D);
      }
    }
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
  v128.store(to, sumsOfLanes(x0, x1, x2, x3));
}

/** out (D) += the sum over j in [first, last) of p[j] value[j]. */
function addValues(out: usize, p: usize, values: usize, places: usize, first: i32, last: i32, D: i32): void {
  let d = 0;
  for (; d + 32 <= D; d += 32) {
    const column = values + (<usize>d << 2);
    const to = out + (<usize>d << 2);
    let x0 = v128.load(to), x1 = v128.load(to, 16), x2 = v128.load(to, 32), x3 = v128.load(to, 48);
    let x4 = v128.load(to, 64), x5 = v128.load(to, 80), x6 = v128.load(to, 96), x7 = v128.load(to, 112);
    for (let j = first; j < last; j++) {
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
    const to = out + (<usize>d << 2);
    let x = width == 4 ? v128.load(to) : loadTail(to, width, 0);
    for (let j = first; j < last; j++) {
      const at = cacheAt(column, places, j);
      const y = width == 4 ? v128.load(at) : loadTail(at, width, 0);
      x = f32x4.add(x, f32x4.mul(v128.load32_splat(p + (<usize>j << 2)), y));
    }
    if (width == 4) v128.store(to, x);
    else storeTail(to, x, width);
  }
}

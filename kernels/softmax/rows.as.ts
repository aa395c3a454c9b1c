// Sums over one row of floats, shared by softmax, the loss and the search.
import { expv, loadTail, logv, maxLanes, sumLanes } from "../simd_math.as";

/** Floats looked at together: 8 KiB, so that the passes over a chunk find it in the first-level cache. */
export const CHUNK: i32 = 2048;

/** Largest of C floats; -infinity when C is 0. */
export function rowMax(x: usize, C: i32): f32 {
  let a = f32x4.splat(-Infinity), b = a, c = a, d = a;
  const wide = x + (<usize>(C & ~15) << 2), whole = x + (<usize>(C & ~3) << 2);
  for (; x < wide; x += 64) {
    a = f32x4.pmax(a, v128.load(x));
    b = f32x4.pmax(b, v128.load(x, 16));
    c = f32x4.pmax(c, v128.load(x, 32));
    d = f32x4.pmax(d, v128.load(x, 48));
  }
  for (; x < whole; x += 16) a = f32x4.pmax(a, v128.load(x));
  b = f32x4.pmax(b, loadTail(x, C & 3, -Infinity));
  return maxLanes(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/** Sum of exp(x - top) over C floats. */
export function rowExpSum(x: usize, C: i32, top: f32): f32 {
  const shift = f32x4.splat(top);
  let total = f32x4.splat(0);
  for (const end = x + (<usize>(C & ~3) << 2); x < end; x += 16) {
    total = f32x4.add(total, expv(f32x4.sub(v128.load(x), shift)));
  }
  if (C & 3) total = f32x4.add(total, expv(f32x4.sub(loadTail(x, C & 3, -Infinity), shift)));
  return sumLanes(total);
}

/** e^x and ln x of one number by the same polynomials as the vectors. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(expv(f32x4.splat(x)), 0);
}

@inline
export function log1(x: f32): f32 {
  return f32x4.extract_lane(logv(f32x4.splat(x)), 0);
}

/** ln of the sum of exp(x) over C floats, in one pass over memory; -infinity for a row of those. */
export function rowLogSumExp(x: usize, C: i32): f32 {
  let top: f32 = -Infinity;
  let total: f32 = 0;
  for (let c = 0; c < C; c += CHUNK) {
    const from = x + (<usize>c << 2);
    const count = min(CHUNK, C - c);
    const highest = rowMax(from, count);
    if (highest > top) {
      total *= exp1(top - highest);
      top = highest;
    }
    if (top > -Infinity) total += rowExpSum(from, count, top);
  }
  return top > -Infinity ? top + log1(total) : top;
}

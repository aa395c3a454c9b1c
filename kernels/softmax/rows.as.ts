// Sums over one row of floats, shared by softmax, the loss and the search.
import { expBelowZero, expv, loadTail, logv, maxLanes, sumLanes } from "../simd_math.as";

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

/** exp(x scale - shift), no greater than 1. `scaled` is known when the loops below are compiled. */
@inline
function shiftedExp(x: v128, scaled: bool, scale: v128, shift: v128): v128 {
  return expBelowZero(f32x4.sub(scaled ? f32x4.mul(x, scale) : x, shift));
}

@inline
function expSumAs(scaled: bool, x: usize, C: i32, scale: f32, top: f32): f32 {
  const factor = f32x4.splat(scale), shift = f32x4.splat(top);
  let total = f32x4.splat(0);
  for (const end = x + (<usize>(C & ~3) << 2); x < end; x += 16) {
    total = f32x4.add(total, shiftedExp(v128.load(x), scaled, factor, shift));
  }
  if (C & 3) {
    const tail = loadTail(x, C & 3, -Infinity);
    total = f32x4.add(total, shiftedExp(tail, scaled, factor, shift));
  }
  return sumLanes(total);
}

/** Sum of exp(x - top) over C floats. */
export function rowExpSum(x: usize, C: i32, top: f32): f32 {
  return expSumAs(false, x, C, 1, top);
}

/** Sum of exp(x scale - top) over C floats: a tenth slower. */
function scaledExpSum(x: usize, C: i32, scale: f32, top: f32): f32 {
  return expSumAs(true, x, C, scale, top);
}

/** e^x and ln x of one number by the same polynomials as the vectors. */
@inline
function exp1(x: f32): f32 {
  return f32x4.extract_lane(expv(f32x4.splat(x)), 0);
}

@inline
export function log1(x: f32): f32 {
  return f32x4.extract_lane(logv(f32x4.splat(x)), 0);
}

/**
 * A log-sum-exp under way, over the chunks of a row: the largest number so far in lane 0, the sum of
 * exp(x - largest) in lane 1. The largest may be -infinity; NaN among the numbers makes the sum NaN.
 */
@inline
export function emptySum(): v128 {
  return f32x4(-Infinity, 0, 0, 0);
}

/** With x[i] scale of `count` floats more; scale is positive. */
@inline
export function sumWith(sum: v128, x: usize, count: i32, scale: f32): v128 {
  let top = f32x4.extract_lane(sum, 0), total = f32x4.extract_lane(sum, 1);
  const highest = rowMax(x, count) * scale;
  if (highest > top) {
    total *= exp1(top - highest);
    top = highest;
  }
  // Where all is -infinity or NaN so far, a shift of 0 gives 0 for the first; its own would give NaN.
  const shift: f32 = top == -Infinity ? 0 : top;
  total += scale == 1 ? rowExpSum(x, count, shift) : scaledExpSum(x, count, scale, shift);
  return f32x4.replace_lane(f32x4.replace_lane(sum, 0, top), 1, total);
}

/** The largest number. */
@inline
export function topOf(sum: v128): f32 {
  return f32x4.extract_lane(sum, 0);
}

/** What the log-sum-exp is beyond the largest number; -infinity when all are -infinity. */
@inline
export function restOf(sum: v128): f32 {
  return log1(f32x4.extract_lane(sum, 1));
}

/** ln of the sum of exp(x) over C floats, in one pass over memory; -infinity for a row of those. */
export function rowLogSumExp(x: usize, C: i32): f32 {
  let sum = emptySum();
  for (let c = 0; c < C; c += CHUNK) sum = sumWith(sum, x + (<usize>c << 2), min(CHUNK, C - c), 1);
  return topOf(sum) + restOf(sum);
}

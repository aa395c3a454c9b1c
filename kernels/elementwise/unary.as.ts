// Ops of one operand, and the derivatives of activations.
//
// Memory: reads x (and dy), overwrites y; y may be x.
// Work: elements in any split; tails go through the same SIMD code, so equal inputs give equal bits.
// Cost: 8 bytes moved per element (12 for derivatives); exp, tanh and erf cost 1 to 4 ns besides.
import { expv, loadTail, logv, sigmoidv, storeTail, tanhv } from "../simd_math.as";
import {
  geluAccurateSlope, geluAccuratev, geluSlope, geluv, reluv, swishSlope, swishv,
} from "./activations.as";

const NEG: i32 = 0;
const EXP: i32 = 1;
const LOG: i32 = 2;
const SQRT: i32 = 3;
const RECIPROCAL: i32 = 4;
const ABS: i32 = 5;
const SQUARE: i32 = 6;
const SIGN: i32 = 7;
const RELU: i32 = 8;
const GELU: i32 = 9;
const GELU_ACCURATE: i32 = 10;
const TANH: i32 = 11;
const SIGMOID: i32 = 12;
const SWISH: i32 = 13;
const RELU_SQUARED: i32 = 14;
const TO_F32: i32 = 15;
const TO_I32: i32 = 16;

@inline
function evaluate(op: i32, x: v128): v128 {
  if (op == NEG) return f32x4.neg(x);
  if (op == EXP) {
    const overflows = f32x4.gt(x, f32x4.splat(88.72283));
    return v128.bitselect(f32x4.splat(Infinity), expv(x), overflows);
  }
  if (op == LOG) return logv(x);
  if (op == SQRT) return f32x4.sqrt(x);
  if (op == RECIPROCAL) return f32x4.div(f32x4.splat(1), x);
  if (op == ABS) return f32x4.abs(x);
  if (op == SQUARE) return f32x4.mul(x, x);
  if (op == SIGN) {
    const one = v128.or(v128.and(x, f32x4.splat(-0.0)), f32x4.splat(1));
    return v128.and(one, f32x4.ne(x, f32x4.splat(0)));
  }
  if (op == RELU) return reluv(x);
  if (op == GELU) return geluv(x);
  if (op == GELU_ACCURATE) return geluAccuratev(x);
  if (op == TANH) return tanhv(x);
  if (op == SIGMOID) return sigmoidv(x);
  if (op == SWISH) return swishv(x);
  if (op == RELU_SQUARED) {
    const r = reluv(x);
    return f32x4.mul(r, r);
  }
  if (op == TO_F32) return f32x4.convert_i32x4_s(x);
  return i32x4.trunc_sat_f32x4_s(x);
}

@inline
function evaluateSpan(op: i32, x: usize, y: usize, start: i32, end: i32): void {
  x += <usize>start << 2;
  y += <usize>start << 2;
  const n = end - start;
  const bytes = <usize>(n & ~3) << 2;
  const tail = n & 3;
  for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, evaluate(op, v128.load(x + at)));
  if (tail) storeTail(y + bytes, evaluate(op, loadTail(x + bytes, tail, 1)), tail);
}

// One export per op: the compiler drops the other branches of evaluate() only where the op is a constant
// of the whole function.

export function elementwise_neg(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(NEG, x, y, start, end);
}

export function elementwise_exp(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(EXP, x, y, start, end);
}

export function elementwise_log(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(LOG, x, y, start, end);
}

export function elementwise_sqrt(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(SQRT, x, y, start, end);
}

export function elementwise_reciprocal(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(RECIPROCAL, x, y, start, end);
}

export function elementwise_abs(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(ABS, x, y, start, end);
}

export function elementwise_square(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(SQUARE, x, y, start, end);
}

export function elementwise_sign(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(SIGN, x, y, start, end);
}

export function elementwise_relu(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(RELU, x, y, start, end);
}

export function elementwise_gelu(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(GELU, x, y, start, end);
}

export function elementwise_gelu_accurate(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(GELU_ACCURATE, x, y, start, end);
}

export function elementwise_tanh(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(TANH, x, y, start, end);
}

export function elementwise_sigmoid(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(SIGMOID, x, y, start, end);
}

export function elementwise_swish(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(SWISH, x, y, start, end);
}

export function elementwise_relu_squared(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(RELU_SQUARED, x, y, start, end);
}

export function elementwise_to_f32(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(TO_F32, x, y, start, end);
}

export function elementwise_to_i32(x: usize, y: usize, start: i32, end: i32): void {
  evaluateSpan(TO_I32, x, y, start, end);
}

/** y = scale x + shift */
export function elementwise_affine(
  x: usize, y: usize, scale: f32, shift: f32, start: i32, end: i32,
): void {
  x += <usize>start << 2;
  y += <usize>start << 2;
  const n = end - start;
  const bytes = <usize>(n & ~3) << 2;
  const tail = n & 3;
  const a = f32x4.splat(scale);
  const b = f32x4.splat(shift);
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(y + at, f32x4.add(f32x4.mul(v128.load(x + at), a), b));
  }
  if (tail) storeTail(y + bytes, f32x4.add(f32x4.mul(loadTail(x + bytes, tail, 1), a), b), tail);
}

/** dy times the derivative; `saved` is y for relu, tanh and sigmoid, x for the others. */
@inline
function slope(op: i32, saved: v128, dy: v128): v128 {
  if (op == RELU) return v128.and(dy, f32x4.gt(saved, f32x4.splat(0)));
  if (op == GELU) return f32x4.mul(dy, geluSlope(saved));
  if (op == GELU_ACCURATE) return f32x4.mul(dy, geluAccurateSlope(saved));
  if (op == TANH) return f32x4.mul(dy, f32x4.sub(f32x4.splat(1), f32x4.mul(saved, saved)));
  if (op == SIGMOID) {
    return f32x4.mul(dy, f32x4.mul(saved, f32x4.sub(f32x4.splat(1), saved)));
  }
  if (op == SWISH) return f32x4.mul(dy, swishSlope(saved));
  const r = reluv(saved);
  return f32x4.mul(dy, f32x4.add(r, r));
}

@inline
function slopeSpan(op: i32, saved: usize, dy: usize, dx: usize, start: i32, end: i32): void {
  saved += <usize>start << 2;
  dy += <usize>start << 2;
  dx += <usize>start << 2;
  const n = end - start;
  const bytes = <usize>(n & ~3) << 2;
  const tail = n & 3;
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(dx + at, slope(op, v128.load(saved + at), v128.load(dy + at)));
  }
  if (tail) {
    const result = slope(op, loadTail(saved + bytes, tail, 1), loadTail(dy + bytes, tail, 1));
    storeTail(dx + bytes, result, tail);
  }
}

export function elementwise_relu_gradient(
  saved: usize, dy: usize, dx: usize, start: i32, end: i32,
): void {
  slopeSpan(RELU, saved, dy, dx, start, end);
}

export function elementwise_gelu_gradient(
  saved: usize, dy: usize, dx: usize, start: i32, end: i32,
): void {
  slopeSpan(GELU, saved, dy, dx, start, end);
}

export function elementwise_gelu_accurate_gradient(
  saved: usize, dy: usize, dx: usize, start: i32, end: i32,
): void {
  slopeSpan(GELU_ACCURATE, saved, dy, dx, start, end);
}

export function elementwise_tanh_gradient(
  saved: usize, dy: usize, dx: usize, start: i32, end: i32,
): void {
  slopeSpan(TANH, saved, dy, dx, start, end);
}

export function elementwise_sigmoid_gradient(
  saved: usize, dy: usize, dx: usize, start: i32, end: i32,
): void {
  slopeSpan(SIGMOID, saved, dy, dx, start, end);
}

export function elementwise_swish_gradient(
  saved: usize, dy: usize, dx: usize, start: i32, end: i32,
): void {
  slopeSpan(SWISH, saved, dy, dx, start, end);
}

export function elementwise_relu_squared_gradient(
  saved: usize, dy: usize, dx: usize, start: i32, end: i32,
): void {
  slopeSpan(RELU_SQUARED, saved, dy, dx, start, end);
}

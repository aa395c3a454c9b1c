// Activation functions and their derivatives, four lanes at a time.
import { erfv, expv, sigmoidv } from "../simd_math.as";

const SQRT_HALF: f32 = 0.7071067811865476;
/** 1 / sqrt(2 pi) */
const INVERSE_SQRT_TWO_PI: f32 = 0.3989422804014327;
/** 2 sqrt(2 / pi) and its product with 0.044715: x sigmoid(2u) is 0.5 x (1 + tanh(u)). */
const TANH_LINEAR: f32 = 1.5957691216057308;
const TANH_CUBIC: f32 = 0.07135481282852146;

@inline
export function reluv(x: v128): v128 {
  // pmax keeps NaN, and is one instruction.
  return f32x4.pmax(x, f32x4.splat(0));
}

/** x Phi(x) = x (1 + erf(x / sqrt(2))) / 2 */
@inline
export function geluv(x: v128): v128 {
  const e = erfv(f32x4.mul(x, f32x4.splat(SQRT_HALF)));
  return f32x4.mul(f32x4.mul(x, f32x4.splat(0.5)), f32x4.add(e, f32x4.splat(1)));
}

/** Phi(x) + x phi(x) */
@inline
export function geluSlope(x: v128): v128 {
  const e = erfv(f32x4.mul(x, f32x4.splat(SQRT_HALF)));
  const density = f32x4.mul(
    expv(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5))),
    f32x4.splat(INVERSE_SQRT_TWO_PI),
  );
  const cumulative = f32x4.mul(f32x4.add(e, f32x4.splat(1)), f32x4.splat(0.5));
  return f32x4.add(cumulative, f32x4.mul(x, density));
}

/** 2 sqrt(2 / pi) (x + 0.044715 x^3) */
@inline
function tanhArgument(x: v128): v128 {
  const square = f32x4.mul(x, x);
  return f32x4.mul(
    x,
    f32x4.add(f32x4.mul(square, f32x4.splat(TANH_CUBIC)), f32x4.splat(TANH_LINEAR)),
  );
}

/** GELU's tanh form: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
@inline
export function geluAccuratev(x: v128): v128 {
  return f32x4.mul(x, sigmoidv(tanhArgument(x)));
}

@inline
export function geluAccurateSlope(x: v128): v128 {
  const s = sigmoidv(tanhArgument(x));
  const inner = f32x4.add(
    f32x4.mul(f32x4.mul(x, x), f32x4.splat(3 * TANH_CUBIC)),
    f32x4.splat(TANH_LINEAR),
  );
  const rise = f32x4.mul(f32x4.mul(s, f32x4.sub(f32x4.splat(1), s)), inner);
  return f32x4.add(s, f32x4.mul(x, rise));
}

@inline
export function swishv(x: v128): v128 {
  return f32x4.mul(x, sigmoidv(x));
}

@inline
export function swishSlope(x: v128): v128 {
  const s = sigmoidv(x);
  const one = f32x4.splat(1);
  return f32x4.mul(s, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s))));
}

// What follows a product while its rows are still in the cache: bias, then activation.
import { geluAccuratev, geluv, reluv, swishv } from "../elementwise/activations.as";
import { loadTail, sigmoidv, storeTail, tanhv } from "../simd_math.as";

// Numbers of the activations, as in activation.ts.
const LINEAR: i32 = 0;
const RELU: i32 = 1;
const GELU: i32 = 2;
const GELU_ACCURATE: i32 = 3;
const TANH: i32 = 4;
const SIGMOID: i32 = 5;
const SWISH: i32 = 6;

/**
 * C (M, N) = activation(C + bias), `step` bytes a row. `bias` (N) may be 0 for none; the sum before the
 * activation goes to `pre`, laid out as C, unless that is 0.
 */
export function addBiasAndActivate(
  c: usize,
  step: usize,
  bias: usize,
  pre: usize,
  activation: i32,
  M: i32,
  N: i32,
): void {
  if (!bias && !pre && activation == LINEAR) return;
  // What nearly all layers have.
  if (bias && !pre && activation == LINEAR) return addBiasAs(false, c, step, bias, M, N);
  if (bias && !pre && activation == RELU) return addBiasAs(true, c, step, bias, M, N);
  const whole = (<usize>(N & ~3)) << 2;
  const tail = N & 3;
  for (let i = 0; i < M; i++) {
    for (let at: usize = 0; at < whole; at += 16) {
      let x = v128.load(c + at);
      if (bias) x = f32x4.add(x, v128.load(bias + at));
      if (pre) v128.store(pre + at, x);
      v128.store(c + at, activate(x, activation));
    }
    if (tail) {
      let x = loadTail(c + whole, tail, 0);
      if (bias) x = f32x4.add(x, loadTail(bias + whole, tail, 0));
      if (pre) storeTail(pre + whole, x, tail);
      storeTail(c + whole, activate(x, activation), tail);
    }
    c += step;
    if (pre) pre += step;
  }
}

/** C = C + bias, or relu of that. `rectified` is known when this is compiled. */
@inline
function addBiasAs(rectified: bool, c: usize, step: usize, bias: usize, M: i32, N: i32): void {
  const wide = (<usize>(N & ~15)) << 2;
  const zero = f32x4.splat(0);
  for (let i = 0; i < M; i++) {
    let at: usize = 0;
    for (; at < wide; at += 64) {
      let x0 = f32x4.add(v128.load(c + at), v128.load(bias + at));
      let x1 = f32x4.add(v128.load(c + at, 16), v128.load(bias + at, 16));
      let x2 = f32x4.add(v128.load(c + at, 32), v128.load(bias + at, 32));
      let x3 = f32x4.add(v128.load(c + at, 48), v128.load(bias + at, 48));
      if (rectified) {
        x0 = f32x4.pmax(x0, zero);
        x1 = f32x4.pmax(x1, zero);
        x2 = f32x4.pmax(x2, zero);
        x3 = f32x4.pmax(x3, zero);
      }
      v128.store(c + at, x0);
      v128.store(c + at, x1, 16);
      v128.store(c + at, x2, 32);
      v128.store(c + at, x3, 48);
    }
    for (const end = (<usize>N) << 2; at < end; at += 4) {
      const x = f32x4.add(v128.load32_splat(c + at), v128.load32_splat(bias + at));
      v128.store_lane<f32>(c + at, rectified ? f32x4.pmax(x, zero) : x, 0);
    }
    c += step;
  }
}

function activate(x: v128, activation: i32): v128 {
  if (activation == LINEAR) return x;
  if (activation == RELU) return reluv(x);
  if (activation == GELU) return geluv(x);
  if (activation == GELU_ACCURATE) return geluAccuratev(x);
  if (activation == TANH) return tanhv(x);
  if (activation == SIGMOID) return sigmoidv(x);
  if (activation == SWISH) return swishv(x);
  const rectified = reluv(x);
  return f32x4.mul(rectified, rectified);
}

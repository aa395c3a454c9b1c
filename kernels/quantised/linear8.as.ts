// y = activation(x W^T + bias) for 8-bit rows of W, one scale per row, and activations that
// quantise_rows made.
//
// Memory: reads q (M, K padded to 32), rows (M), w (N, K padded to 32, i8, after prepare_i8), ws (N), bias (N) or
//   0; overwrites y: M rows of N floats, `stepY` bytes apart.
// Work: two rows of W at a time stay in registers for up to five rows of activations; W is read once.
// Sums: exact, in 32-bit integers (|sum| <= 127 * 127 * K < 2^31 for K < 133,000), so neither the tile nor the
//   other rows of a batch change a result, and relaxed SIMD gives the same as plain.
import { addBiasAndActivate } from "../matmul/epilogue.as";
import { activationBytes, dotAdd, loadWeights, putFour, weightStep } from "./lanes.as";
import { linearTiles } from "./tiles.as";

export function linear_i8(
  q: usize, rows: usize, w: usize, ws: usize, bias: usize, y: usize, stepY: i32, M: i32, N: i32, K: i32, activation: i32,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) linear<i8>(q, rows, w, ws, bias, y, stepY, M, N, K);
  else linear<i16>(q, rows, w, ws, bias, y, stepY, M, N, K);
  addBiasAndActivate(y, stepY, 0, 0, activation, M, N);
}

/** Rows of W between those that are multiplied and those that are asked for. */
const AHEAD: usize = 8;

/** Where touch() leaves what it read, so that it is read at all. */
let touched: i32 = 0;

/** Reads a byte of every cache line from one address to another. */
@inline
function touch(from: usize, to: usize): void {
  let seen: i32 = 0;
  for (; from < to; from += 64) seen |= load<u8>(from);
  touched = seen;
}

function linear<T>(
  q: usize, rows: usize, w: usize, ws: usize, bias: usize, y: usize, stepY: usize, M: i32, N: i32, K: i32,
): void {
  const stepQ = activationBytes<T>(K);
  const stepW = stepQ / sizeof<T>();
  if (M == 1) {
    singleRow<T>(q, rows, w, ws, bias, y, N, stepW);
    return;
  }
  // With few rows the products wait for W: a cache line of each 64 bytes that come later is asked for
  // before they are needed. Worth a quarter of the time on Bun's engine, nothing on V8.
  const comesEarly = M <= 5;
  const last = w + <usize>N * stepW;
  for (let n = 0; n < N; n += 2) {
    if (comesEarly) touch(min(w + AHEAD * stepW, last), min(w + (AHEAD + 2) * stepW, last));
    linearTiles<T>(q, rows, w, ws, bias, y, stepY, M, n + 1 < N ? 1 : 0, stepQ);
    w += 2 * stepW;
    ws += 8;
    y += 8;
    if (bias) bias += 8;
  }
}

/** One row of activations against all of W, four rows of it at a time. */
function singleRow<T>(
  x: usize, row: usize, w: usize, ws: usize, bias: usize, y: usize, N: i32, stepW: usize,
): void {
  let n = 0;
  for (; n + 4 <= N; n += 4) {
    let a = i32x4.splat(0), b = a, c = a, d = a;
    let from = x, w1 = w + stepW, w2 = w1 + stepW, w3 = w2 + stepW;
    for (const end = w + stepW; w < end; w += weightStep<T>()) {
      const v = v128.load(from);
      a = dotAdd<T>(a, v, loadWeights<T>(w));
      b = dotAdd<T>(b, v, loadWeights<T>(w1));
      c = dotAdd<T>(c, v, loadWeights<T>(w2));
      d = dotAdd<T>(d, v, loadWeights<T>(w3));
      from += 16;
      w1 += weightStep<T>();
      w2 += weightStep<T>();
      w3 += weightStep<T>();
    }
    putFour(y, a, b, c, d, row, ws, bias);
    w = w3;
    ws += 16;
    y += 16;
    if (bias) bias += 16;
  }
  for (; n < N; n += 2) {
    linearTiles<T>(x, row, w, ws, bias, y, 0, 1, n + 1 < N ? 1 : 0, stepW * sizeof<T>());
    w += 2 * stepW;
    ws += 8;
    y += 8;
    if (bias) bias += 8;
  }
}

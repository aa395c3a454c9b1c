// y = activation(x W^T + bias) for 8-bit rows of W, one scale per row, and activations that
// quantise_rows made.
//
// Memory: reads q (M, K padded to 32), rows (M), w (N, K padded to 32, i8, after prepare_i8), ws (N), bias (N) or
//   0; overwrites y: M rows of N floats, `stepY` bytes apart.
// Work: two rows of W at a time stay in registers for up to five rows of activations; W is read once.
// Sums: exact, in 32-bit integers (|sum| <= 127 * 127 * K < 2^31 for K < 133,000), so neither the tile nor the
//   other rows of a batch change a result, and relaxed SIMD gives the same as plain.
import { addBiasAndActivate } from "../matmul/epilogue.as";
import { activationBytes, dotAdd, loadWeights, put, ROW_BYTES, weightStep } from "./lanes.as";

export function linear_i8(
  q: usize, rows: usize, w: usize, ws: usize, bias: usize, y: usize, stepY: i32, M: i32, N: i32, K: i32, activation: i32,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) linear<i8>(q, rows, w, ws, bias, y, stepY, M, N, K);
  else linear<i16>(q, rows, w, ws, bias, y, stepY, M, N, K);
  addBiasAndActivate(y, stepY, 0, 0, activation, M, N);
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
  for (let n = 0; n < N; n += 2) {
    linearTiles<T>(q, rows, w, ws, bias, y, stepY, M, n + 1 < N ? 1 : 0, stepQ);
    w += 2 * stepW;
    ws += 8;
    y += 8;
    if (bias) bias += 8;
  }
}

/**
 * Two columns of y, from two rows of W that lie one behind the other.
 *
 * @param second 1, or 0 where W has but one row left: it is then computed twice, into the same place.
 */
export function linearTiles<T>(
  q: usize, rows: usize, w: usize, ws: usize, bias: usize, y: usize, stepY: usize, M: i32, second: usize, stepQ: usize,
): void {
  const stepW = stepQ / sizeof<T>(), next = second << 2;
  const w1 = w + second * stepW, ws1 = ws + next, b1 = bias ? bias + next : 0;
  for (; M >= 5; M -= 5) {
    tile5x2<T>(q, stepQ, rows, w, w1, ws, ws1, bias, b1, y, stepY, next, stepW);
    q += 5 * stepQ;
    rows += 5 * ROW_BYTES;
    y += 5 * stepY;
  }
  for (; M >= 2; M -= 2) {
    tile2x2<T>(q, stepQ, rows, w, w1, ws, ws1, bias, b1, y, stepY, next, stepW);
    q += 2 * stepQ;
    rows += 2 * ROW_BYTES;
    y += 2 * stepY;
  }
  if (M) {
    put(y, dotRow<T>(q, w, stepW), rows, ws, bias);
    put(y + next, dotRow<T>(q, w1, stepW), rows, ws1, b1);
  }
}

/** The dot product of one row with one row of W. */
@inline
export function dotRow<T>(x: usize, w: usize, bytes: usize): v128 {
  let a = i32x4.splat(0);
  for (const end = w + bytes; w < end; w += weightStep<T>()) {
    a = dotAdd<T>(a, v128.load(x), loadWeights<T>(w));
    x += 16;
  }
  return a;
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
    put(y, a, row, ws, bias);
    put(y + 4, b, row, ws + 4, bias ? bias + 4 : 0);
    put(y + 8, c, row, ws + 8, bias ? bias + 8 : 0);
    put(y + 12, d, row, ws + 12, bias ? bias + 12 : 0);
    w = w3;
    ws += 16;
    y += 16;
    if (bias) bias += 16;
  }
  for (; n < N; n++) {
    put(y, dotRow<T>(x, w, stepW), row, ws, bias);
    w += stepW;
    ws += 4;
    y += 4;
    if (bias) bias += 4;
  }
}

/** 2 rows of activations by 2 rows of W. */
function tile2x2<T>(
  x0: usize, stepQ: usize, rows: usize, w0: usize, w1: usize, ws0: usize, ws1: usize, b0: usize, b1: usize,
  y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ;
  let a00 = i32x4.splat(0), a01 = a00, a10 = a00, a11 = a00;
  for (const end = w0 + bytes; w0 < end; w0 += weightStep<T>()) {
    const v0 = loadWeights<T>(w0), v1 = loadWeights<T>(w1);
    let x = v128.load(x0);
    a00 = dotAdd<T>(a00, x, v0);
    a01 = dotAdd<T>(a01, x, v1);
    x = v128.load(x1);
    a10 = dotAdd<T>(a10, x, v0);
    a11 = dotAdd<T>(a11, x, v1);
    x0 += 16;
    x1 += 16;
    w1 += weightStep<T>();
  }
  put(y, a00, rows, ws0, b0);
  put(y + next, a01, rows, ws1, b1);
  y += stepY;
  put(y, a10, rows + ROW_BYTES, ws0, b0);
  put(y + next, a11, rows + ROW_BYTES, ws1, b1);
}

/** 5 rows of activations by 2 rows of W: ten sums, two weights and an activation in registers. */
function tile5x2<T>(
  x0: usize, stepQ: usize, rows: usize, w0: usize, w1: usize, ws0: usize, ws1: usize, b0: usize, b1: usize,
  y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ, x2 = x1 + stepQ, x3 = x2 + stepQ, x4 = x3 + stepQ;
  let a00 = i32x4.splat(0), a01 = a00, a10 = a00, a11 = a00, a20 = a00;
  let a21 = a00, a30 = a00, a31 = a00, a40 = a00, a41 = a00;
  for (const end = w0 + bytes; w0 < end; w0 += weightStep<T>()) {
    const v0 = loadWeights<T>(w0), v1 = loadWeights<T>(w1);
    let x = v128.load(x0);
    a00 = dotAdd<T>(a00, x, v0);
    a01 = dotAdd<T>(a01, x, v1);
    x = v128.load(x1);
    a10 = dotAdd<T>(a10, x, v0);
    a11 = dotAdd<T>(a11, x, v1);
    x = v128.load(x2);
    a20 = dotAdd<T>(a20, x, v0);
    a21 = dotAdd<T>(a21, x, v1);
    x = v128.load(x3);
    a30 = dotAdd<T>(a30, x, v0);
    a31 = dotAdd<T>(a31, x, v1);
    x = v128.load(x4);
    a40 = dotAdd<T>(a40, x, v0);
    a41 = dotAdd<T>(a41, x, v1);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    w1 += weightStep<T>();
  }
  put(y, a00, rows, ws0, b0);
  put(y + next, a01, rows, ws1, b1);
  y += stepY;
  put(y, a10, rows + ROW_BYTES, ws0, b0);
  put(y + next, a11, rows + ROW_BYTES, ws1, b1);
  y += stepY;
  put(y, a20, rows + 2 * ROW_BYTES, ws0, b0);
  put(y + next, a21, rows + 2 * ROW_BYTES, ws1, b1);
  y += stepY;
  put(y, a30, rows + 3 * ROW_BYTES, ws0, b0);
  put(y + next, a31, rows + 3 * ROW_BYTES, ws1, b1);
  y += stepY;
  put(y, a40, rows + 4 * ROW_BYTES, ws0, b0);
  put(y + next, a41, rows + 4 * ROW_BYTES, ws1, b1);
}

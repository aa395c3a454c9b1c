// y = activation(x W^T + bias) for 8-bit rows of W, one scale per row, and activations that
// quantise_rows made.
//
// Memory: reads q (M, K padded to 32, i16), xs (M), w (N, K padded to 32, i8), ws (N), bias (N) or 0;
//   overwrites y: M rows of N floats, `stepY` bytes apart.
// Work: two rows of W at a time stay in registers for up to five rows of activations; W is read once.
// Sums: exact, in 32-bit integers (|sum| <= 127 * 127 * K < 2^31 for K < 133,000), so neither the tile nor the
//   other rows of a batch change a result.
import { addBiasAndActivate } from "../matmul/epilogue.as";
import { put } from "./epilogue.as";
import { dotAdd } from "./lanes.as";
import { activationBytes } from "./quantise.as";

export function linear_i8(
  q: usize, xs: usize, w: usize, ws: usize, bias: usize, y: usize, stepY: i32, M: i32, N: i32, K: i32, activation: i32,
): void {
  const stepQ = activationBytes(K);
  const stepW = stepQ >> 1;
  if (M == 1) singleRow(q, xs, w, ws, bias, y, N, stepW);
  else {
    let to = y;
    for (let n = 0; n < N; n += 2) {
      linearTiles(q, xs, w, ws, bias, to, stepY, M, n + 1 < N ? 1 : 0, stepQ);
      w += 2 * stepW;
      ws += 8;
      to += 8;
      if (bias) bias += 8;
    }
  }
  addBiasAndActivate(y, stepY, 0, 0, activation, M, N);
}

/**
 * Two columns of y, from two rows of W that lie one behind the other.
 *
 * @param second 1, or 0 where W has but one row left: it is then computed twice, into the same place.
 */
export function linearTiles(
  q: usize, xs: usize, w: usize, ws: usize, bias: usize, y: usize, stepY: usize, M: i32, second: usize, stepQ: usize,
): void {
  const stepW = stepQ >> 1, next = second << 2;
  const w1 = w + second * stepW, ws1 = ws + next, b1 = bias ? bias + next : 0;
  for (; M >= 5; M -= 5) {
    tile5x2(q, stepQ, xs, w, w1, ws, ws1, bias, b1, y, stepY, next, stepW);
    q += 5 * stepQ;
    xs += 20;
    y += 5 * stepY;
  }
  for (; M >= 2; M -= 2) {
    tile2x2(q, stepQ, xs, w, w1, ws, ws1, bias, b1, y, stepY, next, stepW);
    q += 2 * stepQ;
    xs += 8;
    y += 2 * stepY;
  }
  if (M) {
    put(y, dotRow(q, w, stepW), xs, ws, bias);
    put(y + next, dotRow(q, w1, stepW), xs, ws1, b1);
  }
}

/** The dot product of one row with one row of W. */
@inline
function dotRow(x: usize, w: usize, bytes: usize): v128 {
  let a = i32x4.splat(0), b = a;
  for (const end = w + bytes; w < end; w += 16) {
    a = dotAdd(a, v128.load(x), v128.load_ext<i8>(w));
    b = dotAdd(b, v128.load(x, 16), v128.load_ext<i8>(w, 8));
    x += 32;
  }
  return i32x4.add(a, b);
}

/** One row of activations against all of W, four rows of it at a time. */
function singleRow(
  x: usize, xs: usize, w: usize, ws: usize, bias: usize, y: usize, N: i32, stepW: usize,
): void {
  let n = 0;
  for (; n + 4 <= N; n += 4) {
    let a = i32x4.splat(0), b = a, c = a, d = a;
    let from = x, w1 = w + stepW, w2 = w1 + stepW, w3 = w2 + stepW;
    for (const end = w + stepW; w < end; w += 16) {
      const low = v128.load(from), high = v128.load(from, 16);
      a = dotAdd(dotAdd(a, low, v128.load_ext<i8>(w)), high, v128.load_ext<i8>(w, 8));
      b = dotAdd(dotAdd(b, low, v128.load_ext<i8>(w1)), high, v128.load_ext<i8>(w1, 8));
      c = dotAdd(dotAdd(c, low, v128.load_ext<i8>(w2)), high, v128.load_ext<i8>(w2, 8));
      d = dotAdd(dotAdd(d, low, v128.load_ext<i8>(w3)), high, v128.load_ext<i8>(w3, 8));
      from += 32;
      w1 += 16;
      w2 += 16;
      w3 += 16;
    }
    put(y, a, xs, ws, bias);
    put(y + 4, b, xs, ws + 4, bias ? bias + 4 : 0);
    put(y + 8, c, xs, ws + 8, bias ? bias + 8 : 0);
    put(y + 12, d, xs, ws + 12, bias ? bias + 12 : 0);
    w = w3;
    ws += 16;
    y += 16;
    if (bias) bias += 16;
  }
  for (; n < N; n++) {
    put(y, dotRow(x, w, stepW), xs, ws, bias);
    w += stepW;
    ws += 4;
    y += 4;
    if (bias) bias += 4;
  }
}

/** 2 rows of activations by 2 rows of W. */
function tile2x2(
  x0: usize, stepQ: usize, xs: usize, w0: usize, w1: usize, ws0: usize, ws1: usize, b0: usize, b1: usize,
  y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ;
  let a00 = i32x4.splat(0), a01 = a00, a10 = a00, a11 = a00;
  for (const end = w0 + bytes; w0 < end; w0 += 8) {
    const v0 = v128.load_ext<i8>(w0), v1 = v128.load_ext<i8>(w1);
    let x = v128.load(x0);
    a00 = dotAdd(a00, x, v0);
    a01 = dotAdd(a01, x, v1);
    x = v128.load(x1);
    a10 = dotAdd(a10, x, v0);
    a11 = dotAdd(a11, x, v1);
    x0 += 16;
    x1 += 16;
    w1 += 8;
  }
  put(y, a00, xs, ws0, b0);
  put(y + next, a01, xs, ws1, b1);
  y += stepY;
  put(y, a10, xs + 4, ws0, b0);
  put(y + next, a11, xs + 4, ws1, b1);
}

/** 5 rows of activations by 2 rows of W: ten sums, two weights and an activation in registers. */
function tile5x2(
  x0: usize, stepQ: usize, xs: usize, w0: usize, w1: usize, ws0: usize, ws1: usize, b0: usize, b1: usize,
  y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ, x2 = x1 + stepQ, x3 = x2 + stepQ, x4 = x3 + stepQ;
  let a00 = i32x4.splat(0), a01 = a00, a10 = a00, a11 = a00, a20 = a00;
  let a21 = a00, a30 = a00, a31 = a00, a40 = a00, a41 = a00;
  for (const end = w0 + bytes; w0 < end; w0 += 8) {
    const v0 = v128.load_ext<i8>(w0), v1 = v128.load_ext<i8>(w1);
    let x = v128.load(x0);
    a00 = dotAdd(a00, x, v0);
    a01 = dotAdd(a01, x, v1);
    x = v128.load(x1);
    a10 = dotAdd(a10, x, v0);
    a11 = dotAdd(a11, x, v1);
    x = v128.load(x2);
    a20 = dotAdd(a20, x, v0);
    a21 = dotAdd(a21, x, v1);
    x = v128.load(x3);
    a30 = dotAdd(a30, x, v0);
    a31 = dotAdd(a31, x, v1);
    x = v128.load(x4);
    a40 = dotAdd(a40, x, v0);
    a41 = dotAdd(a41, x, v1);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    x4 += 16;
    w1 += 8;
  }
  put(y, a00, xs, ws0, b0);
  put(y + next, a01, xs, ws1, b1);
  y += stepY;
  put(y, a10, xs + 4, ws0, b0);
  put(y + next, a11, xs + 4, ws1, b1);
  y += stepY;
  put(y, a20, xs + 8, ws0, b0);
  put(y + next, a21, xs + 8, ws1, b1);
  y += stepY;
  put(y, a30, xs + 12, ws0, b0);
  put(y + next, a31, xs + 12, ws1, b1);
  y += stepY;
  put(y, a40, xs + 16, ws0, b0);
  put(y + next, a41, xs + 16, ws1, b1);
}

// Products of a few rows of activations with two rows of W: ten sums, two weights and an activation are
// what the sixteen registers hold.
import { dotAdd, loadWeights, pairs, putRow, putTwoRows, ROW_BYTES, weightStep } from "./lanes.as";

/**
 * Two columns of y, from two rows of W that lie one behind the other.
 *
 * @param second 1, or 0 where W has but one row left: it is then computed twice, into the same place.
 */
export function linearTiles<T>(
  q: usize, rows: usize, w: usize, ws: usize, bias: usize, y: usize, stepY: usize, M: i32, second: usize, stepQ: usize,
): void {
  const stepW = stepQ / sizeof<T>(), next = second << 2;
  const w1 = w + second * stepW;
  const scales = pairs(ws, ws + next);
  const added = bias ? pairs(bias, bias + next) : f32x4.splat(0);
  for (; M >= 5; M -= 5) {
    tile5x2<T>(q, stepQ, rows, w, w1, scales, added, y, stepY, next, stepW);
    q += 5 * stepQ;
    rows += 5 * ROW_BYTES;
    y += 5 * stepY;
  }
  if (M == 4) tile4x2<T>(q, stepQ, rows, w, w1, scales, added, y, stepY, next, stepW);
  else if (M == 3) tile3x2<T>(q, stepQ, rows, w, w1, scales, added, y, stepY, next, stepW);
  else if (M == 2) tile2x2<T>(q, stepQ, rows, w, w1, scales, added, y, stepY, next, stepW);
  else if (M == 1) tile1x2<T>(q, stepQ, rows, w, w1, scales, added, y, stepY, next, stepW);
}

/** 5 rows of activations by 2 rows of W. */
function tile5x2<T>(
  x0: usize, stepQ: usize, rows: usize, w0: usize, w1: usize, ws: v128, bias: v128, y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ, x2 = x1 + stepQ, x3 = x2 + stepQ, x4 = x3 + stepQ;
  let a0 = i32x4.splat(0), b0 = a0, a1 = a0, b1 = a0, a2 = a0, b2 = a0, a3 = a0, b3 = a0, a4 = a0, b4 = a0;
  for (const end = w0 + bytes; w0 < end; w0 += weightStep<T>()) {
    const v0 = loadWeights<T>(w0), v1 = loadWeights<T>(w1);
    let x = v128.load(x0);
    a0 = dotAdd<T>(a0, x, v0);
    b0 = dotAdd<T>(b0, x, v1);
    x = v128.load(x1);
    a1 = dotAdd<T>(a1, x, v0);
    b1 = dotAdd<T>(b1, x, v1);
    x = v128.load(x2);
    a2 = dotAdd<T>(a2, x, v0);
    b2 = dotAdd<T>(b2, x, v1);
    x = v128.load(x3);
    a3 = dotAdd<T>(a3, x, v0);
    b3 = dotAdd<T>(b3, x, v1);
    x = v128.load(x4);
    a4 = dotAdd<T>(a4, x, v0);
    b4 = dotAdd<T>(b4, x, v1);
    x0 += 16; x1 += 16; x2 += 16; x3 += 16; x4 += 16;
    w1 += weightStep<T>();
  }
  putTwoRows(y, stepY, next, a0, b0, a1, b1, rows, ws, bias);
  putTwoRows(y + 2 * stepY, stepY, next, a2, b2, a3, b3, rows + 2 * ROW_BYTES, ws, bias);
  putRow(y + 4 * stepY, next, a4, b4, rows + 4 * ROW_BYTES, ws, bias);
}

/** 4 rows of activations by 2 rows of W. */
function tile4x2<T>(
  x0: usize, stepQ: usize, rows: usize, w0: usize, w1: usize, ws: v128, bias: v128, y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ, x2 = x1 + stepQ, x3 = x2 + stepQ;
  let a0 = i32x4.splat(0), b0 = a0, a1 = a0, b1 = a0, a2 = a0, b2 = a0, a3 = a0, b3 = a0;
  for (const end = w0 + bytes; w0 < end; w0 += weightStep<T>()) {
    const v0 = loadWeights<T>(w0), v1 = loadWeights<T>(w1);
    let x = v128.load(x0);
    a0 = dotAdd<T>(a0, x, v0);
    b0 = dotAdd<T>(b0, x, v1);
    x = v128.load(x1);
    a1 = dotAdd<T>(a1, x, v0);
    b1 = dotAdd<T>(b1, x, v1);
    x = v128.load(x2);
    a2 = dotAdd<T>(a2, x, v0);
    b2 = dotAdd<T>(b2, x, v1);
    x = v128.load(x3);
    a3 = dotAdd<T>(a3, x, v0);
    b3 = dotAdd<T>(b3, x, v1);
    x0 += 16; x1 += 16; x2 += 16; x3 += 16;
    w1 += weightStep<T>();
  }
  putTwoRows(y, stepY, next, a0, b0, a1, b1, rows, ws, bias);
  putTwoRows(y + 2 * stepY, stepY, next, a2, b2, a3, b3, rows + 2 * ROW_BYTES, ws, bias);
}

/** 3 rows of activations by 2 rows of W. */
function tile3x2<T>(
  x0: usize, stepQ: usize, rows: usize, w0: usize, w1: usize, ws: v128, bias: v128, y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ, x2 = x1 + stepQ;
  let a0 = i32x4.splat(0), b0 = a0, a1 = a0, b1 = a0, a2 = a0, b2 = a0;
  for (const end = w0 + bytes; w0 < end; w0 += weightStep<T>()) {
    const v0 = loadWeights<T>(w0), v1 = loadWeights<T>(w1);
    let x = v128.load(x0);
    a0 = dotAdd<T>(a0, x, v0);
    b0 = dotAdd<T>(b0, x, v1);
    x = v128.load(x1);
    a1 = dotAdd<T>(a1, x, v0);
    b1 = dotAdd<T>(b1, x, v1);
    x = v128.load(x2);
    a2 = dotAdd<T>(a2, x, v0);
    b2 = dotAdd<T>(b2, x, v1);
    x0 += 16; x1 += 16; x2 += 16;
    w1 += weightStep<T>();
  }
  putTwoRows(y, stepY, next, a0, b0, a1, b1, rows, ws, bias);
  putRow(y + 2 * stepY, next, a2, b2, rows + 2 * ROW_BYTES, ws, bias);
}

/** 2 rows of activations by 2 rows of W. */
function tile2x2<T>(
  x0: usize, stepQ: usize, rows: usize, w0: usize, w1: usize, ws: v128, bias: v128, y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let x1 = x0 + stepQ;
  let a0 = i32x4.splat(0), b0 = a0, a1 = a0, b1 = a0;
  for (const end = w0 + bytes; w0 < end; w0 += weightStep<T>()) {
    const v0 = loadWeights<T>(w0), v1 = loadWeights<T>(w1);
    let x = v128.load(x0);
    a0 = dotAdd<T>(a0, x, v0);
    b0 = dotAdd<T>(b0, x, v1);
    x = v128.load(x1);
    a1 = dotAdd<T>(a1, x, v0);
    b1 = dotAdd<T>(b1, x, v1);
    x0 += 16; x1 += 16;
    w1 += weightStep<T>();
  }
  putTwoRows(y, stepY, next, a0, b0, a1, b1, rows, ws, bias);
}

/** 1 rows of activations by 2 rows of W. */
function tile1x2<T>(
  x0: usize, stepQ: usize, rows: usize, w0: usize, w1: usize, ws: v128, bias: v128, y: usize, stepY: usize, next: usize, bytes: usize,
): void {
  let a0 = i32x4.splat(0), b0 = a0;
  for (const end = w0 + bytes; w0 < end; w0 += weightStep<T>()) {
    const v0 = loadWeights<T>(w0), v1 = loadWeights<T>(w1);
    let x = v128.load(x0);
    a0 = dotAdd<T>(a0, x, v0);
    b0 = dotAdd<T>(b0, x, v1);
    x0 += 16;
    w1 += weightStep<T>();
  }
  putRow(y, next, a0, b0, rows, ws, bias);
}

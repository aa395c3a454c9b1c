// C = A B^T for a few rows of A: dot products of the rows where they lie. Nothing is packed, B is read
// once, and dot5x2 needs as few loads for its products as tile5x8.
//
// Sums: every element in four chains, k modulo 4, each upwards; then (0 + 2) + (1 + 3); then the last
//   K % 4 products one by one. The same in every tile.
import { sumLanes } from "../simd_math.as";
import { copyEdge } from "./edge.as";

/** C (M, N) = A B^T, or C += A B^T; steps are bytes from one row to the next. */
export function dotProducts(
  a: usize, stepA: usize, b: usize, stepB: usize, c: usize, stepC: usize, edge: usize,
  M: i32, N: i32, K: i32, accumulate: bool,
): void {
  // Four rows of B stay in the first-level cache for all rows of A.
  let n = 0;
  for (; n + 4 <= N; n += 4) {
    let row = a, to = c;
    let left = M;
    for (; left >= 5; left -= 5) {
      dot5x2(row, stepA, b, stepB, to, stepC, K, accumulate);
      dot5x2(row, stepA, b + 2 * stepB, stepB, to + 8, stepC, K, accumulate);
      row += 5 * stepA;
      to += 5 * stepC;
    }
    for (; left >= 2; left -= 2) {
      dot2x4(row, stepA, b, stepB, to, stepC, K, accumulate);
      row += 2 * stepA;
      to += 2 * stepC;
    }
    if (left) dot1x4(row, b, stepB, to, K, accumulate);
    b += 4 * stepB;
    c += 16;
  }
  for (; n < N; n++) {
    for (let m = 0; m < M; m++) {
      // Four times the same column, of which one is kept.
      dot1x4(a + <usize>m * stepA, b, 0, edge, K, false);
      copyEdge(c + <usize>m * stepC, 0, edge, 0, 1, 1, accumulate);
    }
    b += stepB;
    c += 4;
  }
}

/** The last K % 4 products of a dot product, added to the sum of the others, and the store. */
@inline
function putDot(c: usize, sum: f32, a: usize, b: usize, tail: i32, accumulate: bool): void {
  for (let k = 0; k < tail; k++) sum += load<f32>(a + (<usize>k << 2)) * load<f32>(b + (<usize>k << 2));
  store<f32>(c, accumulate ? load<f32>(c) + sum : sum);
}

/** 5 rows of A by 2 rows of B; C gets (5, 2). */
function dot5x2(
  a: usize, stepA: usize, b0: usize, stepB: usize, c: usize, stepC: usize, K: i32, accumulate: bool,
): void {
  let a0 = a, a1 = a0 + stepA, a2 = a1 + stepA, a3 = a2 + stepA, a4 = a3 + stepA;
  let b1 = b0 + stepB;
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
  for (const end = a0 + (<usize>(K & ~3) << 2); a0 < end; a0 += 16) {
    const y0 = v128.load(b0), y1 = v128.load(b1);
    const x0 = v128.load(a0);
    c00 = f32x4.add(c00, f32x4.mul(x0, y0));
    c01 = f32x4.add(c01, f32x4.mul(x0, y1));
    const x1 = v128.load(a1);
    c10 = f32x4.add(c10, f32x4.mul(x1, y0));
    c11 = f32x4.add(c11, f32x4.mul(x1, y1));
    const x2 = v128.load(a2);
    c20 = f32x4.add(c20, f32x4.mul(x2, y0));
    c21 = f32x4.add(c21, f32x4.mul(x2, y1));
    const x3 = v128.load(a3);
    c30 = f32x4.add(c30, f32x4.mul(x3, y0));
    c31 = f32x4.add(c31, f32x4.mul(x3, y1));
    const x4 = v128.load(a4);
    c40 = f32x4.add(c40, f32x4.mul(x4, y0));
    c41 = f32x4.add(c41, f32x4.mul(x4, y1));
    a1 += 16; a2 += 16; a3 += 16; a4 += 16; b0 += 16; b1 += 16;
  }
  const tail = K & 3;
  putDot(c, sumLanes(c00), a0, b0, tail, accumulate);
  putDot(c + 4, sumLanes(c01), a0, b1, tail, accumulate);
  c += stepC;
  putDot(c, sumLanes(c10), a1, b0, tail, accumulate);
  putDot(c + 4, sumLanes(c11), a1, b1, tail, accumulate);
  c += stepC;
  putDot(c, sumLanes(c20), a2, b0, tail, accumulate);
  putDot(c + 4, sumLanes(c21), a2, b1, tail, accumulate);
  c += stepC;
  putDot(c, sumLanes(c30), a3, b0, tail, accumulate);
  putDot(c + 4, sumLanes(c31), a3, b1, tail, accumulate);
  c += stepC;
  putDot(c, sumLanes(c40), a4, b0, tail, accumulate);
  putDot(c + 4, sumLanes(c41), a4, b1, tail, accumulate);
}

/** 2 rows of A by 4 rows of B; C gets (2, 4). */
function dot2x4(
  a0: usize, stepA: usize, b0: usize, stepB: usize, c: usize, stepC: usize, K: i32, accumulate: bool,
): void {
  let a1 = a0 + stepA;
  let b1 = b0 + stepB, b2 = b1 + stepB, b3 = b2 + stepB;
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c02 = f32x4.splat(0), c03 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0), c12 = f32x4.splat(0), c13 = f32x4.splat(0);
  for (const end = a0 + (<usize>(K & ~3) << 2); a0 < end; a0 += 16) {
    const x0 = v128.load(a0), x1 = v128.load(a1);
    const y0 = v128.load(b0);
    c00 = f32x4.add(c00, f32x4.mul(x0, y0));
    c10 = f32x4.add(c10, f32x4.mul(x1, y0));
    const y1 = v128.load(b1);
    c01 = f32x4.add(c01, f32x4.mul(x0, y1));
    c11 = f32x4.add(c11, f32x4.mul(x1, y1));
    const y2 = v128.load(b2);
    c02 = f32x4.add(c02, f32x4.mul(x0, y2));
    c12 = f32x4.add(c12, f32x4.mul(x1, y2));
    const y3 = v128.load(b3);
    c03 = f32x4.add(c03, f32x4.mul(x0, y3));
    c13 = f32x4.add(c13, f32x4.mul(x1, y3));
    a1 += 16; b0 += 16; b1 += 16; b2 += 16; b3 += 16;
  }
  const tail = K & 3;
  putDot(c, sumLanes(c00), a0, b0, tail, accumulate);
  putDot(c + 4, sumLanes(c01), a0, b1, tail, accumulate);
  putDot(c + 8, sumLanes(c02), a0, b2, tail, accumulate);
  putDot(c + 12, sumLanes(c03), a0, b3, tail, accumulate);
  c += stepC;
  putDot(c, sumLanes(c10), a1, b0, tail, accumulate);
  putDot(c + 4, sumLanes(c11), a1, b1, tail, accumulate);
  putDot(c + 8, sumLanes(c12), a1, b2, tail, accumulate);
  putDot(c + 12, sumLanes(c13), a1, b3, tail, accumulate);
}

/** 1 row of A by 4 rows of B; C gets (1, 4). */
function dot1x4(a: usize, b: usize, stepB: usize, c: usize, K: i32, accumulate: bool): void {
  let b1 = b + stepB, b2 = b1 + stepB, b3 = b2 + stepB;
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0), c2 = f32x4.splat(0), c3 = f32x4.splat(0);
  for (const end = a + (<usize>(K & ~3) << 2); a < end; a += 16) {
    const x = v128.load(a);
    c0 = f32x4.add(c0, f32x4.mul(x, v128.load(b)));
    c1 = f32x4.add(c1, f32x4.mul(x, v128.load(b1)));
    c2 = f32x4.add(c2, f32x4.mul(x, v128.load(b2)));
    c3 = f32x4.add(c3, f32x4.mul(x, v128.load(b3)));
    b += 16; b1 += 16; b2 += 16; b3 += 16;
  }
  const tail = K & 3;
  putDot(c, sumLanes(c0), a, b, tail, accumulate);
  putDot(c + 4, sumLanes(c1), a, b1, tail, accumulate);
  putDot(c + 8, sumLanes(c2), a, b2, tail, accumulate);
  putDot(c + 12, sumLanes(c3), a, b3, tail, accumulate);
}

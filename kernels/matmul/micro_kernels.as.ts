// The innermost loops of the packed product. All sums run over k upwards, one chain per
// element, whatever the tile: so the bits of an element do not depend on which tile computed it.
//
// Why 5x8, and why A is repeated: a tile of 5 rows by 8 columns needs 10 accumulators, 2 vectors of B,
// 1 of A and 1 product, 14 of the 15 vector registers that JavaScriptCore hands out; 6x8 spills.
// Loading an element of A four times repeated beats a scalar load with a splat, which costs a shuffle:
// measured in Bun on one 3.3 GHz Zen 4 core, 50 GFLOP/s against 40 (5x8) and 26 (6x8, load32_splat).

/** Rows of A in a tile. */
export const MR: i32 = 5;
/** Columns of B in a tile. */
export const NR: i32 = 8;
/** Bytes of one packed k-slice of A: every element repeated four times. */
export const A_STEP: usize = 80;
/** Bytes of one packed k-slice of B. */
export const B_STEP: usize = 32;

/**
 * C (5, 8) = A B, or C += A B. `a` is packed (K, 5, 4); `b` holds 8 contiguous columns of each k,
 * `bStep` bytes from one k to the next; `cStep` is the bytes from one row of C to the next.
 */
export function tile5x8(a: usize, b: usize, bStep: usize, c: usize, cStep: usize, K: i32, accumulate: bool): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
  for (const end = a + <usize>K * A_STEP; a < end; a += A_STEP) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const x0 = v128.load(a);
    c00 = f32x4.add(c00, f32x4.mul(x0, b0));
    c01 = f32x4.add(c01, f32x4.mul(x0, b1));
    const x1 = v128.load(a, 16);
    c10 = f32x4.add(c10, f32x4.mul(x1, b0));
    c11 = f32x4.add(c11, f32x4.mul(x1, b1));
    const x2 = v128.load(a, 32);
    c20 = f32x4.add(c20, f32x4.mul(x2, b0));
    c21 = f32x4.add(c21, f32x4.mul(x2, b1));
    const x3 = v128.load(a, 48);
    c30 = f32x4.add(c30, f32x4.mul(x3, b0));
    c31 = f32x4.add(c31, f32x4.mul(x3, b1));
    const x4 = v128.load(a, 64);
    c40 = f32x4.add(c40, f32x4.mul(x4, b0));
    c41 = f32x4.add(c41, f32x4.mul(x4, b1));
    b += bStep;
  }
  c = put8(c, cStep, c00, c01, accumulate);
  c = put8(c, cStep, c10, c11, accumulate);
  c = put8(c, cStep, c20, c21, accumulate);
  c = put8(c, cStep, c30, c31, accumulate);
  put8(c, cStep, c40, c41, accumulate);
}

@inline
function put8(c: usize, cStep: usize, x0: v128, x1: v128, accumulate: bool): usize {
  if (accumulate) {
    x0 = f32x4.add(v128.load(c), x0);
    x1 = f32x4.add(v128.load(c, 16), x1);
  }
  v128.store(c, x0);
  v128.store(c, x1, 16);
  return c + cStep;
}

/** C (1, 32) = A B, or C += A B, for products of a single row: `a` as in tile5x8, row 0 is used. */
export function tile1x32(a: usize, b: usize, bStep: usize, c: usize, K: i32, accumulate: bool): void {
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0), c2 = f32x4.splat(0), c3 = f32x4.splat(0);
  let c4 = f32x4.splat(0), c5 = f32x4.splat(0), c6 = f32x4.splat(0), c7 = f32x4.splat(0);
  for (const end = a + <usize>K * A_STEP; a < end; a += A_STEP) {
    const x = v128.load(a);
    c0 = f32x4.add(c0, f32x4.mul(x, v128.load(b)));
    c1 = f32x4.add(c1, f32x4.mul(x, v128.load(b, 16)));
    c2 = f32x4.add(c2, f32x4.mul(x, v128.load(b, 32)));
    c3 = f32x4.add(c3, f32x4.mul(x, v128.load(b, 48)));
    c4 = f32x4.add(c4, f32x4.mul(x, v128.load(b, 64)));
    c5 = f32x4.add(c5, f32x4.mul(x, v128.load(b, 80)));
    c6 = f32x4.add(c6, f32x4.mul(x, v128.load(b, 96)));
    c7 = f32x4.add(c7, f32x4.mul(x, v128.load(b, 112)));
    b += bStep;
  }
  put8(c, 0, c0, c1, accumulate);
  put8(c + 32, 0, c2, c3, accumulate);
  put8(c + 64, 0, c4, c5, accumulate);
  put8(c + 96, 0, c6, c7, accumulate);
}

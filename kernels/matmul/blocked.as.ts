// The packed product, three loop levels after Goto and van de Geijn (2008).
//
// Sums: for every element over k upwards, in blocks of KC.
// Cost: B is packed in (KC, NC) blocks that stay in the second-level cache; 5 rows of A are packed,
//   repeated, into the first level; tile5x8 does the rest, 43 to 45 GFLOP/s of the 50 that it reaches
//   alone. For a few rows packing costs more than it saves, and a row-major B is read where it lies.
import { copyEdge } from "./edge.as";
import { addBiasAndActivate } from "./epilogue.as";
import { A_STEP, B_STEP, MR, NR, tile1x32, tile5x8 } from "./micro_kernels.as";
import { packA, packB } from "./pack.as";

/** Depth of a block: 5 packed rows of A are 20 KB, a panel of B 8 KB: together they fit 32 KB. */
const KC: i32 = 256;
/** Columns of a block of B: 768 KB. */
const NC: i32 = 768;
/** Up to so many rows a row-major B is not packed. */
const DIRECT_ROWS: i32 = 15;

// Scratch: a tile for the edges, 5 rows of A, a block of B.
const EDGE_BYTES: usize = 192;
const A_BYTES: usize = <usize>KC * A_STEP;

/**
 * C (M, N) = act(A B + bias), or with C added before: element (i, k) of A lies at
 * `a + i * rowStep + k * kStep`, all steps in bytes. K > 0.
 */
export function blockedProduct(
  a: usize,
  rowStep: usize,
  kStep: usize,
  b: usize,
  stepB: usize,
  transB: bool,
  c: usize,
  stepC: usize,
  scratch: usize,
  M: i32,
  N: i32,
  K: i32,
  accumulate: bool,
  bias: usize,
  pre: usize,
  activation: i32,
): void {
  const packedA = scratch + EDGE_BYTES;
  const packedB = packedA + A_BYTES;
  const direct = !transB && M <= DIRECT_ROWS;
  // Without packing a block may be as wide as the matrix.
  const width = direct ? max(N, 1) : NC;
  for (let n0 = 0; n0 < N; n0 += width) {
    const columns = min(width, N - n0);
    const whole = columns & ~(NR - 1);
    const left = (<usize>n0) << 2;
    for (let k0 = 0; k0 < K; k0 += KC) {
      const depth = min(KC, K - k0);
      const down = (<usize>k0) << 2;
      const blockB = b + (transB ? <usize>n0 * stepB + down : <usize>k0 * stepB + left);
      if (!direct) packB(packedB, blockB, stepB, transB, columns, depth);
      else packB(packedB, blockB + ((<usize>whole) << 2), stepB, false, columns - whole, depth);
      const add = accumulate || k0 > 0;
      for (let m0 = 0; m0 < M; m0 += MR) {
        const rows = min(MR, M - m0);
        const corner = <usize>m0 * stepC + left;
        packA(packedA, a + <usize>m0 * rowStep + <usize>k0 * kStep, rowStep, kStep, rows, depth);
        if (direct) {
          directRows(
            packedA,
            blockB,
            stepB,
            packedB,
            c + corner,
            stepC,
            scratch,
            rows,
            columns,
            depth,
            add,
          );
        } else {
          const panelStep = <usize>depth * B_STEP;
          panels(
            packedA,
            packedB,
            B_STEP,
            panelStep,
            c + corner,
            stepC,
            scratch,
            rows,
            columns,
            depth,
            add,
          );
        }
        if (k0 + depth == K) {
          addBiasAndActivate(
            c + corner,
            stepC,
            bias ? bias + left : 0,
            pre ? pre + corner : 0,
            activation,
            rows,
            columns,
          );
        }
      }
    }
  }
}

/** `rows` <= 5 rows of C with B where it lies; its last columns, fewer than 8, are packed. */
function directRows(
  packedA: usize,
  b: usize,
  stepB: usize,
  packedB: usize,
  c: usize,
  stepC: usize,
  edge: usize,
  rows: i32,
  columns: i32,
  K: i32,
  accumulate: bool,
): void {
  const whole = columns & ~(NR - 1);
  const wide = rows == 1 ? whole & ~31 : 0;
  for (let n = 0; n < wide; n += 32) {
    const at = (<usize>n) << 2;
    tile1x32(packedA, b + at, stepB, c + at, K, accumulate);
  }
  const middle = (<usize>wide) << 2,
    right = (<usize>whole) << 2;
  panels(
    packedA,
    b + middle,
    stepB,
    32,
    c + middle,
    stepC,
    edge,
    rows,
    whole - wide,
    K,
    accumulate,
  );
  panels(packedA, packedB, B_STEP, 0, c + right, stepC, edge, rows, columns - whole, K, accumulate);
}

/** `rows` <= 5 rows of C against successive panels of 8 columns, `panelStep` bytes apart. */
function panels(
  packedA: usize,
  b: usize,
  bStep: usize,
  panelStep: usize,
  c: usize,
  stepC: usize,
  edge: usize,
  rows: i32,
  columns: i32,
  K: i32,
  accumulate: bool,
): void {
  for (let n = 0; n < columns; n += NR) {
    const wide = min(NR, columns - n);
    if (rows == MR && wide == NR) {
      tile5x8(packedA, b, bStep, c, stepC, K, accumulate);
    } else {
      tile5x8(packedA, b, bStep, edge, 32, K, false);
      copyEdge(c, stepC, edge, 32, rows, wide, accumulate);
    }
    b += panelStep;
    c += 32;
  }
}

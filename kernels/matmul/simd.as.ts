// Matrix products, C = act(op(A) op(B) + bias), for one thread's share of the tiles.
//
// Memory: reads A, B, bias; overwrites C (adds to it with ACCUMULATE) and `pre`; never in place.
//   `scratch` is 64-byte aligned, SCRATCH_BYTES (split.ts) long, this thread's own.
// Work: the output is cut into chunks of `chunkM` rows by `chunkN` columns, numbered batch first, then
//   columns, then rows (fastest). [start, end) are chunk numbers. The host picks the chunks so that
//   the threads pack little twice (split.ts).
// Sums: for every element in the same order whatever the split; bits do not depend on it.
import { blockedProduct } from "./blocked.as";
import { dotProducts } from "./dot.as";
import { addBiasAndActivate } from "./epilogue.as";

// Bits of `flags`; the activation's number (epilogue.as.ts) stands above them.
const TRANS_A: i32 = 1;
const TRANS_B: i32 = 2;
const ACCUMULATE: i32 = 4;
/** Dot products of the rows where they lie: only without TRANS_A and with TRANS_B. */
const DOT: i32 = 8;
const ACTIVATION_SHIFT: i32 = 4;

/**
 * One share of a batched product. Sizes, leading dimensions and batch strides count elements; a batch
 * stride of 0 reuses the operand. `bias` is (N) or 0; `pre`, laid out as C, receives the values before
 * the activation unless it is 0. Work: batch * ceil(N / chunkN) * ceil(M / chunkM) chunks.
 */
export function matmul_f32(
  a: usize,
  b: usize,
  c: usize,
  bias: usize,
  pre: usize,
  scratch: usize,
  M: i32,
  N: i32,
  K: i32,
  lda: i32,
  ldb: i32,
  ldc: i32,
  batchA: i32,
  batchB: i32,
  batchC: i32,
  flags: i32,
  chunkM: i32,
  chunkN: i32,
  start: i32,
  end: i32,
): void {
  const rowChunks = (M + chunkM - 1) / chunkM;
  const columnChunks = (N + chunkN - 1) / chunkN;
  while (start < end) {
    // A rectangle of chunks: several rows of chunks in one column, or several whole columns.
    const column = start / rowChunks;
    const row = start - column * rowChunks;
    const batch = column / columnChunks;
    const columnInBatch = column - batch * columnChunks;
    const rows = min(rowChunks - row, end - start);
    const columns =
      rows < rowChunks ? 1 : min(columnChunks - columnInBatch, (end - start) / rowChunks);
    const batchOfC = (<usize>batch * batchC) << 2;
    rectangle(
      a + ((<usize>batch * batchA) << 2),
      b + ((<usize>batch * batchB) << 2),
      c + batchOfC,
      bias,
      pre ? pre + batchOfC : 0,
      scratch,
      K,
      lda,
      ldb,
      ldc,
      flags,
      row * chunkM,
      min(M, (row + rows) * chunkM),
      columnInBatch * chunkN,
      min(N, (columnInBatch + columns) * chunkN),
    );
    start += rows * columns;
  }
}

/** Rows [m0, m1) by columns [n0, n1) of one product. */
function rectangle(
  a: usize,
  b: usize,
  c: usize,
  bias: usize,
  pre: usize,
  scratch: usize,
  K: i32,
  lda: i32,
  ldb: i32,
  ldc: i32,
  flags: i32,
  m0: i32,
  m1: i32,
  n0: i32,
  n1: i32,
): void {
  const M = m1 - m0,
    N = n1 - n0;
  const stepA = (<usize>lda) << 2,
    stepB = (<usize>ldb) << 2,
    stepC = (<usize>ldc) << 2;
  const transA = (flags & TRANS_A) != 0,
    transB = (flags & TRANS_B) != 0;
  const accumulate = (flags & ACCUMULATE) != 0;
  const activation = flags >> ACTIVATION_SHIFT;
  a += transA ? (<usize>m0) << 2 : <usize>m0 * stepA;
  b += transB ? <usize>n0 * stepB : (<usize>n0) << 2;
  const corner = <usize>m0 * stepC + ((<usize>n0) << 2);
  c += corner;
  if (pre) pre += corner;
  if (bias) bias += (<usize>n0) << 2;
  if (K > 0 && !(flags & DOT)) {
    blockedProduct(
      a,
      transA ? 4 : stepA,
      transA ? stepA : 4,
      b,
      stepB,
      transB,
      c,
      stepC,
      scratch,
      M,
      N,
      K,
      accumulate,
      bias,
      pre,
      activation,
    );
    return;
  }
  if (K > 0) {
    dotProducts(a, stepA, b, stepB, c, stepC, scratch, M, N, K, accumulate);
  } else if (!accumulate) {
    for (let i = 0; i < M; i++) memory.fill(c + <usize>i * stepC, 0, (<usize>N) << 2);
  }
  addBiasAndActivate(c, stepC, bias, pre, activation, M, N);
}

/**
 * Bias and activation alone, after a product that a BLAS made: C (M, N), `ldc` elements a row. Work: rows,
 * or columns with `byColumns`, so that each thread goes on with the part that it has just computed.
 */
export function matmul_epilogue_f32(
  c: usize,
  bias: usize,
  pre: usize,
  M: i32,
  N: i32,
  ldc: i32,
  activation: i32,
  byColumns: i32,
  start: i32,
  end: i32,
): void {
  const step = (<usize>ldc) << 2;
  const corner = byColumns ? (<usize>start) << 2 : <usize>start * step;
  if (bias && byColumns) bias += corner;
  const rows = byColumns ? M : end - start;
  const columns = byColumns ? end - start : N;
  addBiasAndActivate(c + corner, step, bias, pre ? pre + corner : 0, activation, rows, columns);
}

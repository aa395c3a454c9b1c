// The system's BLAS, called from kernels that multiply one small matrix after the other. Only where the
// device says so (CpuFacts.fewRowsByBlas): elsewhere the import does not return.

/**
 * C (M, N) = op(A) op(B) + beta C, row-major f32, on the calling thread; beta is 0 or 1, sizes are above 0.
 * Leading dimensions count elements.
 */
@external("env", "sgemm")
export declare function sgemm(
  transA: i32, transB: i32, M: i32, N: i32, K: i32,
  a: usize, lda: i32, b: usize, ldb: i32, beta: f32, c: usize, ldc: i32,
): void;

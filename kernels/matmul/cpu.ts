// Which library multiplies, and how its work is shared out.
import type { CpuDispatch, CpuFacts } from "../op.ts";
import { activationNumber } from "./activation.ts";
import { ABSENT, type ProductOperands, type ProductShape, productDispatch } from "./split.ts";

/** Below so many multiply-adds a product stays on one thread. */
const SINGLE_THREAD = 65_536;

/**
 * A BLAS packs both operands, which does not pay for a few rows: there our dot products win. Measured
 * against OpenBLAS 0.3.21: 41 against 29 GFLOP/s at 5 x 512 x 512, 42 against 14 at 5 x 512 x 2048, while
 * all of a small B in the cache goes the other way.
 */
function dotProductsWin({ transA, transB, M, N, K, batch }: ProductShape): boolean {
  return !transA && transB && batch === 1 && N * K >= 100_000 && M <= (K >= 1024 ? 16 : 6);
}

/** The dispatches of a product: BLAS with a pass for bias and activation, or our kernel that does all. */
export function productCpu(
  shape: ProductShape,
  operands: ProductOperands,
  facts: CpuFacts,
): CpuDispatch[] {
  const epilogue = Boolean(operands.bias || operands.pre || shape.activation !== "linear");
  // The pass for bias and activation knows single matrices only.
  const few = !facts.fewRowsByBlas && dotProductsWin(shape);
  const ours = shape.K === 0 || few || (epilogue && shape.batch > 1);
  if (!facts.blas || ours) return [productDispatch(shape, operands, facts)];
  const { transA, transB, M, N, K, lda, ldb, ldc, batch, strides, activation } = shape;
  const split = batch >= facts.threads && batch > 1 ? "batch" : M >= N ? "M" : "N";
  const small = batch * M * N * K < SINGLE_THREAD;
  const grain = small ? Math.max(M, N, batch) : split === "M" ? 4 : 16;
  const beta = shape.accumulate ? 1 : 0;
  const product: CpuDispatch = {
    sgemm: { transA, transB, M, N, K, lda, ldb, ldc, beta, batch, strides, split },
    a: operands.a,
    b: operands.b,
    c: operands.c,
    grain,
  };
  if (!epilogue) return [product];
  const byColumns = split === "N";
  return [
    product,
    {
      kernel: "matmul_epilogue_f32",
      arguments: [
        ...[operands.c, operands.bias ?? ABSENT, operands.pre ?? ABSENT],
        ...[M, N, ldc, activationNumber(activation), byColumns ? 1 : 0],
      ],
      work: byColumns ? N : M,
      grain,
      // Each thread goes on with the rows or columns that it has just computed.
      follows: true,
    },
  ];
}

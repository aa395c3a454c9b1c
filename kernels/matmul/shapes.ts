// How tensors are seen as matrices: (..., rows, columns), or all leading axes merged into the rows.
import {
  areAlike,
  broadcastShapes,
  lastOf,
  rowsOf,
  type Shape,
  ShapeError,
  sizeOf,
  type TensorSpec,
} from "../../src/tensor/shape.ts";
import type { ProductShape } from "./split.ts";

export interface MatmulAttributes {
  readonly transA: boolean;
  readonly transB: boolean;
  /** Both operands are one matrix each, (product of the leading axes, last axis). */
  readonly merge: boolean;
}

/** A product's sizes without what happens to the result. */
export type Product = Omit<ProductShape, "accumulate" | "activation">;

interface Matrices {
  readonly rows: number;
  readonly columns: number;
  /** Extents of the axes before the matrix. */
  readonly batch: Shape;
}

function matricesOf(
  op: string,
  { shape }: TensorSpec,
  merge: boolean,
  all: readonly TensorSpec[],
): Matrices {
  if (merge && shape.length >= 1) return { rows: rowsOf(shape), columns: lastOf(shape), batch: [] };
  if (shape.length >= 2) {
    return { rows: shape[shape.length - 2], columns: lastOf(shape), batch: shape.slice(0, -2) };
  }
  throw new ShapeError(op, all, "an operand has too few axes to be a matrix");
}

/**
 * Sizes of op(A) op(B) and the shape of the result. An operand has a matrix for every
 * place of the broadcast batch, or a single one that serves them all.
 *
 * @throws ShapeError
 */
export function productOf(
  op: string,
  { transA, transB, merge }: MatmulAttributes,
  specs: readonly TensorSpec[],
): { product: Product; shape: Shape } {
  const [aSpec, bSpec] = specs;
  if (!areAlike([aSpec, bSpec])) throw new ShapeError(op, specs, "needs floats of one dtype");
  const a = matricesOf(op, aSpec, merge, specs);
  const b = matricesOf(op, bSpec, merge, specs);
  const [M, K] = transA ? [a.columns, a.rows] : [a.rows, a.columns];
  const [inner, N] = transB ? [b.columns, b.rows] : [b.rows, b.columns];
  if (K !== inner) throw new ShapeError(op, specs, `inner sizes ${K} and ${inner} differ`);
  const batch = merge ? [] : batchOf(op, aSpec, bSpec);
  const count = sizeOf(batch);
  const [strideA, strideB] = [a, b].map((matrices) => {
    const own = sizeOf(matrices.batch);
    if (own === 1) return 0;
    if (own === count) return matrices.rows * matrices.columns;
    throw new ShapeError(op, specs, "an operand varies over some of the batch axes only");
  });
  const leading = merge && !transA ? aSpec.shape.slice(0, -1) : [...batch, M];
  const product = {
    transA,
    transB,
    M,
    N,
    K,
    lda: Math.max(1, a.columns),
    ldb: Math.max(1, b.columns),
    ldc: Math.max(1, N),
    batch: count,
    strides: [strideA, strideB, M * N] as const,
  };
  return { product, shape: [...leading, N] };
}

/** The batch axes of a product, broadcast as in NumPy. @throws ShapeError */
export const batchOf = (op: string, a: TensorSpec, b: TensorSpec): Shape =>
  broadcastShapes(op, { ...a, shape: a.shape.slice(0, -2) }, { ...b, shape: b.shape.slice(0, -2) });

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

/** Rows of each matrix of an operand whose last axis are its columns. */
function rowsOfMatrix(
  op: string,
  { shape }: TensorSpec,
  merge: boolean,
  all: readonly TensorSpec[],
): number {
  if (merge && shape.length >= 1) return rowsOf(shape);
  if (shape.length >= 2) return shape[shape.length - 2];
  throw new ShapeError(op, all, "an operand has too few axes to be a matrix");
}

/** Elements from one matrix of the batch to the next: none where there is but one. */
function strideOf(
  op: string,
  { shape }: TensorSpec,
  batch: number,
  all: readonly TensorSpec[],
): number {
  const own = sizeOf(shape, 0, shape.length - 2);
  if (own === 1) return 0;
  if (own === batch) return sizeOf(shape, shape.length - 2);
  throw new ShapeError(op, all, "an operand varies over some of the batch axes only");
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
  const rowsA = rowsOfMatrix(op, aSpec, merge, specs);
  const rowsB = rowsOfMatrix(op, bSpec, merge, specs);
  const columnsA = lastOf(aSpec.shape);
  const columnsB = lastOf(bSpec.shape);
  const M = transA ? columnsA : rowsA;
  const K = transA ? rowsA : columnsA;
  const N = transB ? rowsB : columnsB;
  const inner = transB ? columnsB : rowsB;
  if (K !== inner) throw new ShapeError(op, specs, `inner sizes ${K} and ${inner} differ`);
  const batch = merge ? [] : batchOf(op, aSpec, bSpec);
  const count = sizeOf(batch);
  const strideA = merge ? 0 : strideOf(op, aSpec, count, specs);
  const strideB = merge ? 0 : strideOf(op, bSpec, count, specs);
  const shape = merge && !transA ? aSpec.shape.slice(0, -1) : [...batch, M];
  shape.push(N);
  const product = {
    transA,
    transB,
    M,
    N,
    K,
    lda: Math.max(1, columnsA),
    ldb: Math.max(1, columnsB),
    ldc: Math.max(1, N),
    batch: count,
    strides: [strideA, strideB, M * N] as const,
  };
  return { product, shape };
}

/** The batch axes of a product, broadcast as in NumPy. @throws ShapeError */
export const batchOf = (op: string, a: TensorSpec, b: TensorSpec): Shape =>
  broadcastShapes(op, { ...a, shape: a.shape.slice(0, -2) }, { ...b, shape: b.shape.slice(0, -2) });

// Attributes and shape rules of the norms.
import {
  f32,
  isFloat,
  lastOf,
  rowsOf,
  ShapeError,
  sameShape,
  type TensorSpec,
} from "../../src/tensor/shape.ts";
import type { Dropout } from "../random/index.ts";

export interface LayerNormAttributes {
  readonly epsilon: number;
}

export interface ResidualNormAttributes {
  readonly epsilon: number;
  /** On x, by flat element index; an i32 (4) input is its key. */
  readonly dropout?: Dropout;
}

export interface NormGradientAttributes {
  /** An input holds a gradient that reaches h past the norm. */
  readonly skip: boolean;
  /** x went through dropout: an input is the key, and a fourth output dx. */
  readonly dropout?: Dropout;
}

/** One number per row of x. */
export const rowStatistics = (x: TensorSpec): TensorSpec => f32(...x.shape.slice(0, -1));

/** @throws ShapeError unless x holds floats and gain and bias (C) are of its dtype. */
export function checkNorm(
  op: string,
  inputs: readonly TensorSpec[],
  gain: TensorSpec,
  bias: TensorSpec,
) {
  const [x] = inputs;
  const C = lastOf(x.shape);
  if (x.shape.length === 0 || C === 0) throw new ShapeError(op, inputs, "rows are empty");
  if (!isFloat(x.dtype)) throw new ShapeError(op, inputs, "needs floats");
  for (const vector of [gain, bias]) {
    if (vector.dtype !== x.dtype || !sameShape(vector.shape, [C])) {
      throw new ShapeError(op, inputs, `gain and bias must be ${x.dtype}(${C})`);
    }
  }
}

/** Blocks of rows whose sums are added up in order: the number depends on the shape only. */
export function rowBlocks(x: TensorSpec): { rows: number; perBlock: number; blocks: number } {
  const rows = rowsOf(x.shape);
  const perBlock = Math.max(8, Math.ceil(rows / 64));
  return { rows, perBlock, blocks: Math.ceil(rows / perBlock) };
}

/** Where the optional inputs of the gradient stand. */
export function gradientInputs({ skip, dropout }: NormGradientAttributes): {
  skip: number | undefined;
  key: number | undefined;
} {
  return { skip: skip ? 5 : undefined, key: dropout ? (skip ? 6 : 5) : undefined };
}

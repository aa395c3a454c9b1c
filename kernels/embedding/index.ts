// Token embeddings and the numbers of their positions.
import {
  isFloat,
  lastOf,
  rowsOf,
  type Shape,
  ShapeError,
  sameShape,
  sizeOf,
} from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import { binaryReference } from "../elementwise/reference.ts";
import { gatherCpu, type RowsCopy, scatterCpu, wholeCopyCpu } from "../movement/index.ts";
import { gatherReference, scatterReference } from "../movement/reference.ts";
import { gatherWgsl, scatterWgsl, wholeCopyWgsl } from "../movement/wgsl.ts";
import type { Op } from "../op.ts";
import {
  embeddingExamples,
  embeddingGradientAddedExamples,
  embeddingGradientExamples,
  positionsExamples,
} from "./examples.ts";
import { positionsReference } from "./reference.ts";
import { positionsWgsl } from "./wgsl.ts";

export interface EmbeddingOptions {
  /** The row of padding: it is looked up like any other but gets no gradient. Default: none. */
  readonly paddingIndex?: number;
  /** Multiplies the rows. Default 1. */
  readonly scale?: number;
}

export interface Embedding {
  readonly paddingIndex: number;
  readonly scale: number;
}

const rowsCopy = (weight: Shape, tokens: Shape, attributes: Embedding): RowsCopy => ({
  rows: weight[0],
  width: weight[1],
  count: sizeOf(tokens),
  scale: attributes.scale,
  skipped: attributes.paddingIndex,
});

const embeddingOp: Op<Embedding> = {
  name: "embedding",
  infer(_, [weight, tokens]) {
    if (weight.shape.length !== 2 || !isFloat(weight.dtype) || tokens.dtype !== "i32") {
      throw new ShapeError("embedding", [weight, tokens], "needs floats (V, C) and i32 tokens");
    }
    return [{ shape: [...tokens.shape, weight.shape[1]], dtype: weight.dtype }];
  },
  gradient: ({ attributes, inputs: [weight, tokens] }, [dy]) =>
    dy ? [embeddingGradient(dy, tokens, weight.shape, attributes)] : [],
  reference: ({ scale }, [weight, tokens]) => [gatherReference(weight, tokens, scale)],
  cpu: ({ attributes, inputs: [weight, tokens] }) =>
    gatherCpu(rowsCopy(weight.shape, tokens.shape, attributes)),
  webgpu: ({ attributes, inputs: [weight, tokens] }, facts) =>
    gatherWgsl(rowsCopy(weight.shape, tokens.shape, attributes), weight.dtype, facts),
  halfInputs: [0],
  examples: embeddingExamples,
};

/**
 * Rows of a table by token: weight (V, C), tokens i32 (...) -> (..., C), times `scale`. A token
 * outside [0, V) gives zeros.
 *
 * @throws ShapeError
 */
export function embedding(
  weight: Tensor,
  tokens: Tensor,
  { paddingIndex = -1, scale = 1 }: EmbeddingOptions = {},
): Tensor {
  return apply(embeddingOp, { paddingIndex, scale }, weight, tokens);
}

export interface EmbeddingGradient extends Embedding {
  /** (V, C) */
  readonly shape: Shape;
}

const embeddingGradientOp: Op<EmbeddingGradient> = {
  name: "embedding_gradient",
  infer({ shape }, [dy, tokens]) {
    const fits = sameShape(dy.shape, [...tokens.shape, shape[1]]);
    if (!isFloat(dy.dtype) || tokens.dtype !== "i32" || !fits) {
      const problem = `(${shape.join(", ")}) needs rows of floats and their i32 tokens`;
      throw new ShapeError("embedding_gradient", [dy, tokens], problem);
    }
    return [{ shape, dtype: dy.dtype }];
  },
  reference: ({ shape, scale, paddingIndex }, [dy, tokens]) => [
    scatterReference(dy, tokens, shape, scale, paddingIndex),
  ],
  cpu: ({ attributes, inputs: [, tokens] }) =>
    scatterCpu(rowsCopy(attributes.shape, tokens.shape, attributes)),
  webgpu: ({ attributes, inputs: [dy, tokens] }, facts) =>
    scatterWgsl(rowsCopy(attributes.shape, tokens.shape, attributes), dy.dtype, facts),
  addedTo: (sum, { attributes, inputs: [dy, tokens] }) =>
    dy.dtype === "f32" ? apply(embeddingGradientAddedOp, attributes, dy, tokens, sum) : undefined,
  halfInputs: [0],
  examples: embeddingGradientExamples,
};

const embeddingGradientAddedOp: Op<EmbeddingGradient> = {
  name: "embedding_gradient_added",
  // dy (..., C), tokens (...), sum (V, C) -> sum + embedding_gradient
  infer(attributes, [dy, tokens, sum]) {
    const outputs = embeddingGradientOp.infer(attributes, [dy, tokens]);
    if (sum.dtype !== "f32" || dy.dtype !== "f32" || !sameShape(sum.shape, attributes.shape)) {
      const problem = `the sum must be f32(${attributes.shape.join(", ")})`;
      throw new ShapeError("embedding_gradient_added", [dy, tokens, sum], problem);
    }
    return outputs;
  },
  reference: ({ shape, scale, paddingIndex }, [dy, tokens, sum]) => [
    binaryReference("add", [scatterReference(dy, tokens, shape, scale, paddingIndex), sum]),
  ],
  cpu: ({ attributes, inputs: [, tokens] }) => [
    wholeCopyCpu(2, sizeOf(attributes.shape)),
    scatterCpu(rowsCopy(attributes.shape, tokens.shape, attributes), true),
  ],
  webgpu: ({ attributes, inputs: [dy, tokens, sum] }, facts) => [
    wholeCopyWgsl(2, sum, facts),
    ...scatterWgsl(rowsCopy(attributes.shape, tokens.shape, attributes), dy.dtype, facts, true),
  ],
  inPlace: [[0, 2]],
  examples: embeddingGradientAddedExamples,
};

/**
 * The table's gradient: zeros (V, C) plus scale dy[n] in row tokens[n], added in the order of n, so
 * that two runs agree in every bit; the padding row stays zero.
 */
const embeddingGradient = (
  dy: Tensor,
  tokens: Tensor,
  shape: Shape,
  { paddingIndex = -1, scale = 1 }: EmbeddingOptions = {},
): Tensor => apply(embeddingGradientOp, { shape, paddingIndex, scale }, dy, tokens);

export interface Positions {
  readonly padding: number;
}

const positionsOp: Op<Positions> = {
  name: "positions",
  infer(_, [tokens]) {
    if (tokens.dtype !== "i32" || tokens.shape.length === 0) {
      throw new ShapeError("positions", [tokens], "needs i32 (..., T)");
    }
    return [tokens];
  },
  reference: ({ padding }, [tokens]) => [positionsReference(padding, tokens)],
  cpu: ({ attributes: { padding }, inputs: [{ shape }] }) => ({
    kernel: "embedding_positions",
    arguments: [{ input: 0 }, { output: 0 }, lastOf(shape), padding],
    work: rowsOf(shape),
    grain: Math.max(1, Math.floor(4096 / Math.max(1, lastOf(shape)))),
  }),
  webgpu: positionsWgsl,
  inPlace: [[0, 0]],
  examples: positionsExamples,
};

/**
 * fairseq's position numbers: tokens i32 (B, T) -> i32 (B, T). Each token that is not `padding` gets
 * padding + its count among such tokens of its row, from padding + 1 on; padding gets `padding`.
 */
export const positions = (tokens: Tensor, padding: number): Tensor =>
  apply(positionsOp, { padding }, tokens);

export const embeddingOps = [
  embeddingOp,
  embeddingGradientOp,
  embeddingGradientAddedOp,
  positionsOp,
] as readonly Op<unknown>[];

// What a beam search asks of a row of scores: its k best.
import { f32, i32, ShapeError, sameShape, type TensorSpec } from "../../src/tensor/shape.ts";
import { applyAll, type Tensor } from "../../src/tensor/tensor.ts";
import type { Op } from "../op.ts";
import { logSoftmaxTopKExamples, topKExamples } from "./examples.ts";
import { logSoftmaxTopKReference, topKReference } from "./reference.ts";
import { logSoftmaxTopKWgsl, topKWgsl } from "./wgsl.ts";

export interface TopKAttributes {
  readonly k: number;
}

export interface LogSoftmaxTopKAttributes extends TopKAttributes {
  /** Logits are divided by it. */
  readonly temperature: number;
}

/** @throws ShapeError unless x is f32 (N, V) and 1 <= k <= V. */
function checkRows(op: string, inputs: readonly TensorSpec[], k: number): void {
  const [{ shape, dtype }] = inputs;
  if (shape.length !== 2 || dtype !== "f32") throw new ShapeError(op, inputs, "needs f32 (N, V)");
  if (!Number.isInteger(k) || k < 1 || k > shape[1]) {
    throw new ShapeError(op, inputs, `k is ${k}, must be 1 to ${shape[1]}`);
  }
}

const topKOp: Op<TopKAttributes> = {
  name: "top_k",
  // x (N, V) -> values (N, k), indices (N, k)
  infer({ k }, inputs) {
    checkRows("top_k", inputs, k);
    const [N] = inputs[0].shape;
    return [f32(N, k), i32(N, k)];
  },
  reference: topKReference,
  cpu({ attributes: { k }, inputs: [x] }) {
    const [N, V] = x.shape;
    return {
      kernel: "search_top_k",
      arguments: [{ input: 0 }, { output: 0 }, { output: 1 }, V, k],
      work: N,
    };
  },
  webgpu: topKWgsl,
  examples: topKExamples,
};

const logSoftmaxTopKOp: Op<LogSoftmaxTopKAttributes> = {
  name: "log_softmax_top_k",
  // logits (N, V), [bias (V)] -> values (N, k), indices (N, k), lse (N)
  infer({ k, temperature }, inputs) {
    checkRows("log_softmax_top_k", inputs, k);
    const [{ shape }, bias] = inputs;
    const [N, V] = shape;
    if (bias && (bias.dtype !== "f32" || !sameShape(bias.shape, [V]))) {
      throw new ShapeError("log_softmax_top_k", inputs, `the bias must be f32(${V})`);
    }
    if (!(temperature > 0)) {
      throw new ShapeError(
        "log_softmax_top_k",
        inputs,
        `temperature ${temperature} is not positive`,
      );
    }
    return [f32(N, k), i32(N, k), f32(N)];
  },
  reference: logSoftmaxTopKReference,
  cpu({ attributes: { k, temperature }, inputs }) {
    const [N, V] = inputs[0].shape;
    return {
      kernel: "search_log_softmax_top_k",
      arguments: [
        ...[{ input: 0 }, inputs.length > 1 ? { input: 1 } : 0],
        ...[{ output: 0 }, { output: 1 }, { output: 2 }],
        ...[V, k, { f32: 1 / temperature }],
      ],
      work: N,
    };
  },
  webgpu: logSoftmaxTopKWgsl,
  examples: logSoftmaxTopKExamples,
};

/**
 * The k largest of each row, descending; of equal ones the lower index comes first. No gradient.
 *
 * @param x (N, V), f32 without NaN. @returns values f32 (N, k) and indices i32 (N, k).
 * @throws ShapeError unless 1 <= k <= V.
 */
export function topK(x: Tensor, k: number): [values: Tensor, indices: Tensor] {
  const [values, indices] = applyAll(topKOp, { k }, x);
  return [values, indices];
}

/**
 * The k best of log_softmax(logits / temperature) + bias in each row, without writing that array: topK()
 * of it. No gradient.
 *
 * @param logits (N, V), f32 without NaN.
 * @param bias f32 (V), added after the normalisation; -infinity bans a symbol.
 * @returns values f32 (N, k), indices i32 (N, k), and lse f32 (N), the log of the normaliser.
 * @throws ShapeError unless 1 <= k <= V and temperature > 0.
 */
export function logSoftmaxTopK(
  logits: Tensor,
  k: number,
  { temperature = 1, bias }: { temperature?: number; bias?: Tensor } = {},
): [values: Tensor, indices: Tensor, lse: Tensor] {
  const operands = bias ? [logits, bias] : [logits];
  const [values, indices, lse] = applyAll(logSoftmaxTopKOp, { k, temperature }, ...operands);
  return [values, indices, lse];
}

export const searchOps = [topKOp, logSoftmaxTopKOp] as readonly Op<unknown>[];

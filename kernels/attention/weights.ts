// Attention probabilities as a result: what alignments are read from.
import { f32, ShapeError } from "../../src/tensor/shape.ts";
import { apply, applyAll, type Tensor } from "../../src/tensor/tensor.ts";
import { optional } from "../dropout_arguments.ts";
import type { Op } from "../op.ts";
import { defaultScale } from "./attention.ts";
import { weightsExamples, weightsGradientExamples } from "./examples.ts";
import { weightsGradientReference, weightsReference } from "./reference.ts";
import { backwardScratch, forwardScratch, passRows } from "./scratch.ts";
import {
  type AttentionAttributes,
  attentionExtents,
  checkPadding,
  optionalInputs,
} from "./shapes.ts";
import { weightsGradientWgsl, weightsWgsl } from "./wgsl.ts";

export interface WeightsAttributes extends Omit<AttentionAttributes, "dropout" | "packed"> {
  /** The mean is over heads 0 .. selected - 1. */
  readonly selected: number;
}

const weightsOp: Op<WeightsAttributes> = {
  name: "attention_weights",
  // q (B, T, E), k (B, S, E), [padding (B, S)] -> (B, T, S)
  infer(attributes, inputs) {
    const extents = attentionExtents("attention_weights", attributes, inputs);
    const { selected, heads } = attributes;
    if (!Number.isInteger(selected) || selected < 1 || selected > heads) {
      throw new ShapeError(
        "attention_weights",
        inputs,
        `there are no ${selected} of ${heads} heads`,
      );
    }
    const { padding } = optionalInputs(attributes, 2);
    if (padding !== undefined)
      checkPadding("attention_weights", inputs[padding], inputs[1], inputs);
    return [f32(extents.B, extents.T, extents.S)];
  },
  gradient({ attributes, inputs: [q, k, ...rest] }, [dweights]) {
    if (!dweights) return [];
    return applyAll(weightsGradientOp, attributes, q, k, dweights, ...rest);
  },
  reference: weightsReference,
  cpu({ attributes, inputs }) {
    const { B, T, S, H, D } = attentionExtents("attention_weights", attributes, inputs);
    const { padding } = optionalInputs(attributes, 2);
    return {
      kernel: "attention_weights",
      arguments: [
        ...[{ input: 0 }, { input: 1 }, optional(padding), { output: 0 }],
        ...[{ scratch: forwardScratch(S, D) }, T, S, H, D],
        ...[attributes.selected, { f32: attributes.scale }],
        attributes.causal ? 1 : 0,
      ],
      work: B,
    };
  },
  webgpu: weightsWgsl,
  halfInputs: [0, 1],
  examples: weightsExamples,
};

const weightsGradientOp: Op<WeightsAttributes> = {
  name: "attention_weights_gradient",
  // q, k, dweights (B, T, S), [padding] -> dq, dk
  infer: (_, [q, k]) => [q, k],
  reference: weightsGradientReference,
  cpu({ attributes, inputs }) {
    const { B, T, S, H, D } = attentionExtents("attention_weights_gradient", attributes, inputs);
    const { padding } = optionalInputs(attributes, 3);
    return {
      kernel: "attention_weights_gradient",
      arguments: [
        ...[{ input: 0 }, { input: 1 }, { input: 2 }, optional(padding)],
        ...[{ output: 0 }, { output: 1 }, { scratch: backwardScratch(T, S, D) }],
        ...[T, S, H, D, passRows(T, S)],
        ...[attributes.selected, { f32: attributes.scale }],
        attributes.causal ? 1 : 0,
      ],
      work: B * H,
    };
  },
  webgpu: weightsGradientWgsl,
  halfInputs: [0, 1],
  examples: weightsGradientExamples,
};

export interface AttentionWeightsOptions {
  readonly heads: number;
  /** Query t sees keys 0..t only. Default false. */
  readonly causal?: boolean;
  /** i32 (B, S), 1 where a key is padding. */
  readonly keyPadding?: Tensor;
  /** Factor of the scores. Default D^-0.5. */
  readonly scale?: number;
  /** How many heads, from the first on, enter the mean. Default: all. */
  readonly selectedHeads?: number;
}

/**
 * Attention probabilities, averaged over heads; no dropout.
 *
 * @param q (B, T, E), f32. @param k (B, S, E).
 * @returns (B, T, S). Rows sum to 1, or to 0 where every key is masked.
 * @throws ShapeError
 */
export function attentionWeights(q: Tensor, k: Tensor, options: AttentionWeightsOptions): Tensor {
  const { heads, causal = false, keyPadding, selectedHeads = heads } = options;
  const attributes: WeightsAttributes = {
    heads,
    causal,
    scale: options.scale ?? defaultScale(q, heads),
    padded: keyPadding !== undefined,
    selected: selectedHeads,
  };
  return apply(weightsOp, attributes, q, k, ...(keyPadding ? [keyPadding] : []));
}

export const weightsOps = [weightsOp, weightsGradientOp] as readonly Op<unknown>[];

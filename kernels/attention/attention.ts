// Attention of several heads, forward and gradient. Probabilities are never stored: the forward keeps
// one number per row, the log of its sum, from which the gradient computes them again.
import { f32, i32, ShapeError, sameShape } from "../../src/tensor/shape.ts";
import { apply, applyAll, type Tensor } from "../../src/tensor/tensor.ts";
import { checkDropout, dropoutArguments, optional } from "../dropout_arguments.ts";
import { concat } from "../movement/index.ts";
import type { CpuArgument, Op } from "../op.ts";
import { attentionExamples, attentionGradientExamples } from "./examples.ts";
import { attentionGradientReference, attentionReference } from "./reference.ts";
import { backwardScratch, forwardScratch, passRows, productsScratch } from "./scratch.ts";
import {
  type AttentionAttributes,
  attentionExtents,
  checkPadding,
  firstStart,
  optionalInputs,
  type PackedAttention,
} from "./shapes.ts";
import { attentionGradientWgsl, attentionWgsl } from "./wgsl.ts";

/** The input that says where sentences begin, from where on it does, and whether keys lie like queries. */
const packedArguments = (
  attributes: AttentionAttributes,
  starts: number | undefined,
): CpuArgument[] => [optional(starts), firstStart(attributes), attributes.packed?.keys ? 1 : 0];

const attentionOp: Op<AttentionAttributes> = {
  name: "attention",
  // q (B, T, E), k, v (B, S, E), [padding (B, S)], [key (4)] -> out (B, T, E), lse (B, H, T);
  // packed: q (N, E), perhaps k, v (N, E) and padding (N), [key, starts (4 + B + 1)] or starts -> out (N, E)
  infer(attributes, inputs) {
    const extents = attentionExtents("attention", attributes, inputs);
    const [q, k, v] = inputs;
    if (v.dtype !== k.dtype || !sameShape(k.shape, v.shape)) {
      throw new ShapeError("attention", inputs, "keys and values must be alike");
    }
    const { padding, key } = optionalInputs(attributes, 3);
    if (padding !== undefined) checkPadding("attention", inputs[padding], k, inputs);
    const { dropout } = attributes;
    const keys = attributes.packed ? i32(4) : key === undefined ? undefined : inputs[key];
    if (dropout) checkDropout("attention", inputs, dropout, keys);
    return [q, f32(extents.B, extents.H, extents.T)];
  },
  gradient({ attributes, inputs: [q, k, v, ...rest], outputs: [out, lse] }, [dout]) {
    if (!dout) return [];
    return applyAll(attentionGradientOp, attributes, q, k, v, out, lse, dout, ...rest);
  },
  reference: attentionReference,
  cpu({ attributes, inputs }, { fewRowsByBlas }) {
    const { B, T, S, H, D } = attentionExtents("attention", attributes, inputs);
    const { padding, key, starts } = optionalInputs(attributes, 3);
    const scratch = fewRowsByBlas ? productsScratch(T, S, 1) : forwardScratch(S, D);
    return {
      kernel: fewRowsByBlas ? "attention_forward_products" : "attention_forward",
      arguments: [
        ...[{ input: 0 }, { input: 1 }, { input: 2 }, optional(padding), optional(key)],
        ...packedArguments(attributes, starts),
        ...[{ output: 0 }, { output: 1 }, { scratch }],
        ...[T, S, H, D, ...(fewRowsByBlas ? [passRows(T, S)] : [])],
        ...[{ f32: attributes.scale }, attributes.causal ? 1 : 0],
        ...dropoutArguments(attributes.dropout),
      ],
      work: B * H,
    };
  },
  webgpu: attentionWgsl,
  halfInputs: [0, 1, 2],
  examples: attentionExamples,
};

const attentionGradientOp: Op<AttentionAttributes> = {
  name: "attention_gradient",
  // q, k, v, out, lse, dout, [padding], [key] -> dq, dk, dv
  infer: (_, [q, k, v]) => [q, k, v],
  reference: attentionGradientReference,
  cpu({ attributes, inputs }, { fewRowsByBlas }) {
    const { B, T, S, H, D } = attentionExtents("attention_gradient", attributes, inputs);
    const { padding, key, starts } = optionalInputs(attributes, 6);
    const scratch = fewRowsByBlas ? productsScratch(T, S, 2) : backwardScratch(T, S, D);
    return {
      kernel: fewRowsByBlas ? "attention_gradient_products" : "attention_gradient",
      arguments: [
        ...[0, 1, 2, 3, 4, 5].map((input) => ({ input })),
        ...[optional(padding), optional(key)],
        ...packedArguments(attributes, starts),
        ...[0, 1, 2].map((output) => ({ output })),
        { scratch },
        ...[T, S, H, D, passRows(T, S)],
        ...[{ f32: attributes.scale }, attributes.causal ? 1 : 0],
        ...dropoutArguments(attributes.dropout),
      ],
      work: B * H,
    };
  },
  webgpu: attentionGradientWgsl,
  halfInputs: [0, 1, 2, 3, 5],
  examples: attentionGradientExamples,
};

export interface AttentionOptions {
  /** Head h is columns h D .. (h + 1) D of q, k and v. */
  readonly heads: number;
  /** Query t sees keys 0..t only. Default false. */
  readonly causal?: boolean;
  /** Factor of the scores. Default D^-0.5. */
  readonly scale?: number;
  /** i32 (B, S), 1 where a key is padding. A row that sees no key gives zeros. */
  readonly keyPadding?: Tensor;
  /**
   * Queries are (N, E), the rows of a sentence after those of the one before: row starts[b] is the first
   * of sentence b, starts[B] = N, i32 (B + 1). None has more than `longest`. Where `keys`, keys and
   * values lie so too, with keyPadding (N).
   */
  readonly packed?: PackedAttention & { readonly starts: Tensor };
  /** On the probabilities, element ((b H + h) T + t) S + s. `key` is i32 [seed, update, microBatch, 0]. */
  readonly dropout?: { readonly p: number; readonly key: Tensor; readonly stream: number };
}

/**
 * softmax(scale q k^T) v for each head.
 *
 * @param q (B, T, E), f32. @param k (B, S, E). @param v (B, S, E).
 * @returns (B, T, E), heads side by side as in q.
 * @throws ShapeError, and RangeError unless 0 <= p < 1.
 *
 * Source: Vaswani et al. 2017; the gradient from the log-sum-exp as Dao et al. 2022, section 3.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { heads, causal = false, keyPadding, dropout, packed } = options;
  const drops = dropout !== undefined && dropout.p !== 0;
  const attributes: AttentionAttributes = {
    heads,
    causal,
    scale: options.scale ?? defaultScale(q, heads),
    padded: keyPadding !== undefined,
    dropout: drops ? { p: dropout.p, stream: dropout.stream } : undefined,
    packed: packed && { longest: packed.longest, keys: packed.keys },
  };
  const numbers = [...(drops ? [dropout.key] : []), ...(packed ? [packed.starts] : [])];
  const rest = [
    ...(keyPadding ? [keyPadding] : []),
    ...(numbers.length > 1 ? [concat(numbers, 0)] : numbers),
  ];
  return apply(attentionOp, attributes, q, k, v, ...rest);
}

/** The inverse square root of the head's width. */
export const defaultScale = (q: Tensor, heads: number): number =>
  ((q.shape.at(-1) ?? heads) / heads) ** -0.5;

export const attentionOps = [attentionOp, attentionGradientOp] as readonly Op<unknown>[];

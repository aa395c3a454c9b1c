// Attention of one decoding step to the sources, whose width is no part of a plan.
import { ShapeError, sameShape } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import type { Op } from "../op.ts";
import { defaultScale } from "./attention.ts";
import { sourceExamples } from "./examples.ts";
import { sourceReference } from "./reference.ts";
import { sourceScratch } from "./scratch.ts";
import { sourceWgsl } from "./source_wgsl.ts";

export interface SourceAttributes {
  readonly heads: number;
  readonly scale: number;
  /** What `width` holds is at most this, and a multiple of 8 as this is. */
  readonly widest: number;
}

const sourceOp: Op<SourceAttributes> = {
  name: "source_attention",
  // q (R, E), keys (N), values (N), padding i32 (M), slots i32 (B), width i32 () -> (R, E)
  infer({ heads, widest }, inputs) {
    const [q, keys, values, padding, slots, width] = inputs;
    const fail = (problem: string): never => {
      throw new ShapeError("source_attention", inputs, problem);
    };
    const [R, E] = q.shape;
    if (q.shape.length !== 2 || E % heads !== 0) fail(`q is (R, E), E being ${heads} equal heads`);
    if (keys.shape.length !== 1 || !sameShape(keys.shape, values.shape)) {
      fail("keys and values are flat and of one length");
    }
    if ([q, keys, values].some(({ dtype }) => dtype !== "f32")) {
      fail("q, keys and values are f32");
    }
    if ([padding, slots, width].some(({ dtype }) => dtype !== "i32")) {
      fail("padding, slots and width are i32");
    }
    if (padding.shape.length !== 1 || padding.shape[0] * E !== keys.shape[0]) {
      fail(`padding must be i32(${keys.shape[0] / E})`);
    }
    const [B] = slots.shape;
    if (slots.shape.length !== 1 || (B === 0 ? R > 0 : R % B !== 0)) {
      fail(`${R} rows are not as many for each of ${B} sentences`);
    }
    if (width.shape.length !== 0) fail("width must be a scalar i32");
    if (widest % 8 !== 0) fail(`the widest source, ${widest}, is no multiple of 8`);
    return [q];
  },
  reference: sourceReference,
  cpu({ attributes: { heads, scale, widest }, inputs }) {
    const [R, E] = inputs[0].shape;
    const [B] = inputs[4].shape;
    const D = E / heads;
    return {
      kernel: "attention_source",
      arguments: [
        ...[0, 1, 2, 3, 4, 5].map((input) => ({ input })),
        ...[{ output: 0 }, { scratch: sourceScratch(widest, D) }],
        ...[B > 0 ? R / B : 0, heads, D, widest],
        { f32: scale },
      ],
      work: B * heads,
    };
  },
  webgpu: sourceWgsl,
  examples: sourceExamples,
};

/** Sources of some sentences, each in a slot of its own; S is what `width` holds. */
export interface SourceOperands {
  /** (N): of each slot (E, S), transposed, so that one load meets several positions. */
  readonly keys: Tensor;
  /** (N): of each slot (S, E). */
  readonly values: Tensor;
  /** i32 (N / E): of each slot (S), 1 where padding. */
  readonly padding: Tensor;
  /** i32 (B): the slot of each sentence. */
  readonly slots: Tensor;
  /** i32 (). */
  readonly width: Tensor;
}

/**
 * Attention of R rows, R / B of each sentence one after the other, to all positions of their sentence's
 * source that are no padding; zeros where there are none. No gradient.
 *
 * @param q (R, E). @param widest bound of `width`, both multiples of 8.
 * @returns (R, E). @throws ShapeError
 */
export function sourceAttention(
  q: Tensor,
  { keys, values, padding, slots, width }: SourceOperands,
  {
    heads,
    widest,
    scale = defaultScale(q, heads),
  }: { heads: number; widest: number; scale?: number },
): Tensor {
  return apply(sourceOp, { heads, scale, widest }, q, keys, values, padding, slots, width);
}

export const sourceOps = [sourceOp] as readonly Op<unknown>[];

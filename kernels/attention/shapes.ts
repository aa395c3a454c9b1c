// Shape rules of the attention ops, and what their kernels are told.
import { areAlike, ShapeError, sameShape, type TensorSpec } from "../../src/tensor/shape.ts";
import type { Dropout } from "../random/index.ts";

export interface AttentionAttributes {
  readonly heads: number;
  /** Factor of the scores. */
  readonly scale: number;
  /** Query t sees keys 0..t; needs T = S. */
  readonly causal: boolean;
  /** An i32 (B, S) input says which keys are padding. */
  readonly padded: boolean;
  /** Dropout on the probabilities; an i32 (4) input is its key. */
  readonly dropout?: Dropout;
  /**
   * How rows lie, if not every sentence has as many; an i32 (B + 1) input says where each begins. With
   * dropout its key stands before these in one input, i32 (4 + B + 1): operands of a GPU's kernel are few.
   */
  readonly packed?: PackedAttention;
}

/** Queries (N, E), the rows of a sentence after those of the one before. */
export interface PackedAttention {
  /** T: no sentence has more rows. */
  readonly longest: number;
  /** Whether keys and values lie like the queries, and the padding mask with them: (N). */
  readonly keys: boolean;
}

/** Extents of q (B, T, E) and k (B, S, E); H heads of width D. T and S are the longest of packed rows. */
export interface AttentionExtents {
  readonly B: number;
  readonly T: number;
  readonly S: number;
  readonly E: number;
  readonly H: number;
  readonly D: number;
}

/** @throws ShapeError if q and k are not floats of one dtype, or do not fit each other or the heads. */
export function attentionExtents(
  op: string,
  attributes: Pick<AttentionAttributes, "heads" | "causal" | "packed" | "dropout">,
  inputs: readonly TensorSpec[],
): AttentionExtents {
  const [q, k] = inputs;
  const fail = (problem: string): never => {
    throw new ShapeError(op, inputs, problem);
  };
  const { packed } = attributes;
  const [queryAxes, keyAxes] = [packed ? 2 : 3, packed?.keys ? 2 : 3];
  if (q.shape.length !== queryAxes || k.shape.length !== keyAxes)
    fail("queries and keys are (B, T, E), (B, S, E), or (N, E) where they are packed");
  if (!areAlike([q, k])) fail("queries and keys are floats of one dtype");
  const { dtype, shape: [numbers] = [] } = inputs[inputs.length - 1];
  const before = firstStart(attributes);
  if (packed && (dtype !== "i32" || !(numbers > before)))
    fail("packed rows need i32 (B + 1) to say where each sentence begins");
  const [B, T, E] = packed ? [numbers - before - 1, packed.longest, q.shape[1]] : q.shape;
  const [keyB, S, keyE] = packed?.keys ? [B, T, k.shape[1]] : k.shape;
  if (packed?.keys && q.shape[0] !== k.shape[0]) fail("there are as many packed keys as queries");
  const H = attributes.heads;
  if (B !== keyB) fail(`batches ${B} and ${keyB} differ`);
  if (E !== keyE) fail(`widths ${E} and ${keyE} differ`);
  if (!Number.isInteger(H) || H < 1 || E % H !== 0) fail(`width ${E} is not ${H} equal heads`);
  if (attributes.causal && T !== S) fail(`causal attention needs as many keys as queries`);
  return { B, T, S, E, H, D: E / H };
}

/** @throws ShapeError if `padding` is not i32 (B, S), or (N) beside packed keys. */
export function checkPadding(
  op: string,
  padding: TensorSpec,
  keys: TensorSpec,
  inputs: readonly TensorSpec[],
): void {
  const expected = keys.shape.slice(0, -1);
  if (padding.dtype !== "i32" || !sameShape(padding.shape, expected)) {
    throw new ShapeError(op, inputs, `the padding mask must be i32(${expected.join(", ")})`);
  }
}

/** Where the optional inputs stand when `first` others come before them. */
export function optionalInputs(
  { padded, dropout, packed }: AttentionAttributes,
  first: number,
): { padding: number | undefined; key: number | undefined; starts: number | undefined } {
  const key = first + (padded ? 1 : 0);
  return {
    padding: padded ? first : undefined,
    key: dropout ? key : undefined,
    starts: packed ? key : undefined,
  };
}

/** How many numbers stand before where sentences begin: the key of dropout. */
export const firstStart = ({ dropout }: Pick<AttentionAttributes, "dropout">): number =>
  dropout ? 4 : 0;

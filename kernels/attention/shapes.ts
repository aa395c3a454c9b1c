// Shape rules of the attention ops, and what their kernels are told.
import { areAlike, ShapeError, type TensorSpec } from "../../src/tensor/shape.ts";
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
}

/** Extents of q (B, T, E) and k (B, S, E); H heads of width D. */
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
  attributes: Pick<AttentionAttributes, "heads" | "causal">,
  inputs: readonly TensorSpec[],
): AttentionExtents {
  const [q, k] = inputs;
  const fail = (problem: string): never => {
    throw new ShapeError(op, inputs, problem);
  };
  if (q.shape.length !== 3 || k.shape.length !== 3)
    fail("queries and keys are (B, T, E), (B, S, E)");
  if (!areAlike([q, k])) fail("queries and keys are floats of one dtype");
  const [B, T, E] = q.shape;
  const [keyB, S, keyE] = k.shape;
  const H = attributes.heads;
  if (B !== keyB) fail(`batches ${B} and ${keyB} differ`);
  if (E !== keyE) fail(`widths ${E} and ${keyE} differ`);
  if (!Number.isInteger(H) || H < 1 || E % H !== 0) fail(`width ${E} is not ${H} equal heads`);
  if (attributes.causal && T !== S) fail(`causal attention needs as many keys as queries`);
  return { B, T, S, E, H, D: E / H };
}

/** @throws ShapeError if `padding` is not i32 (B, S). */
export function checkPadding(
  op: string,
  padding: TensorSpec,
  { B, S }: AttentionExtents,
  inputs: readonly TensorSpec[],
): void {
  const [b, s] = padding.shape;
  if (padding.dtype !== "i32" || padding.shape.length !== 2 || b !== B || s !== S) {
    throw new ShapeError(op, inputs, `the padding mask must be i32(${B}, ${S})`);
  }
}

/** Where the optional inputs stand when `first` others come before them. */
export function optionalInputs(
  { padded, dropout }: AttentionAttributes,
  first: number,
): { padding: number | undefined; key: number | undefined } {
  return {
    padding: padded ? first : undefined,
    key: dropout ? first + (padded ? 1 : 0) : undefined,
  };
}

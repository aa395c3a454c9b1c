// What one decoding step of an attention model reads and writes besides its tokens.
import type { KeysAndValues } from "../nn/multihead_attention.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Caches of one decoder layer: self-attention (R0, L, C), cross-attention (B, S, C). */
export interface LayerCaches {
  readonly self: KeysAndValues;
  readonly cross: KeysAndValues;
}

/** What all layers of one decoding step share. */
export interface StepContext {
  /** i32 (R, L). */
  readonly ancestors: Tensor;
  /** i32 scalars: slot that this step fills, and number of filled slots with it. */
  readonly position: Tensor;
  readonly length: Tensor;
  /** i32 (B, S). */
  readonly sourcePadding: Tensor;
  /** Writes the new keys and values into the layer's self-attention caches and returns these. */
  store(caches: KeysAndValues, added: KeysAndValues): KeysAndValues;
  /** (R, C) -> (B, K, C): the beams of a sentence side by side. */
  bySentence(rows: Tensor): Tensor;
  /** And back. */
  byRow(sentences: Tensor): Tensor;
}

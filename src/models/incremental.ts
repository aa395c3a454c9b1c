// What one decoding step of an attention model reads and writes besides its tokens.
import type { SourceOperands } from "../../kernels/attention/index.ts";
import type { KeysAndValues } from "../nn/multihead_attention.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Caches of one decoder layer. */
export interface LayerCaches {
  /** (R0, L, C). */
  readonly self: KeysAndValues;
  /** Flat, as sourceAttention() wants them. */
  readonly cross: KeysAndValues;
  /** The keys of `cross` by sentence, (B, S, C): only for a step that shows attention. */
  crossKeys(): Tensor;
}

/** Where the sources lie in the flat caches. */
export interface SourcePlaces extends Pick<SourceOperands, "padding" | "slots" | "width"> {
  /** No source is wider. */
  readonly widest: number;
}

/** What all layers of one decoding step share. */
export interface StepContext {
  /** i32 (R, L). */
  readonly ancestors: Tensor;
  /** i32 scalars: slot that this step fills, and number of filled slots with it. */
  readonly position: Tensor;
  readonly length: Tensor;
  readonly source: SourcePlaces;
  /** i32 (B, S): only for a step that shows attention. */
  sourcePadding(): Tensor;
  /** Writes the new keys and values into the layer's self-attention caches and returns these. */
  store(caches: KeysAndValues, added: KeysAndValues): KeysAndValues;
  /** (R, C) -> (B, K, C): the beams of a sentence side by side. */
  bySentence(rows: Tensor): Tensor;
  /** And back. */
  byRow(sentences: Tensor): Tensor;
}

// Attention: forward and gradient, probabilities for alignments, and the decoding step over a cache.
import type { Op } from "../op.ts";
import { attentionOps as forwardOps } from "./attention.ts";
import { cachedOps } from "./cached.ts";
import { sourceOps } from "./source.ts";
import { weightsOps } from "./weights.ts";

export { type AttentionOptions, attention } from "./attention.ts";
export { cachedAttention } from "./cached.ts";
export { type SourceOperands, sourceAttention } from "./source.ts";
export { type AttentionWeightsOptions, attentionWeights } from "./weights.ts";

export const attentionOps: readonly Op<unknown>[] = [
  ...forwardOps,
  ...weightsOps,
  ...cachedOps,
  ...sourceOps,
];

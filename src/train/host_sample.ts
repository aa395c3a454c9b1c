import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { HostSample } from "./training_step.ts";

/** A collated batch as the compiled step takes it. */
export function hostSample({ srcTokens, prevOutputTokens, target }: LanguagePairBatch): HostSample {
  if (!prevOutputTokens || !target) throw new Error("hostSample: the batch has no target");
  return { srcTokens, prevOutputTokens, target };
}

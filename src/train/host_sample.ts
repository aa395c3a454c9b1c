import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { HostTensor } from "../engine/compile.ts";
import { packTarget } from "./packed_target.ts";

/** A collated batch on the host. */
export interface HostSample {
  readonly srcTokens: HostTensor;
  readonly prevOutputTokens: HostTensor;
  readonly target: HostTensor;
  /** The token that fills up rows. */
  readonly padding: number;
}

/** What a compiled step is given of every batch. */
export type SampleInputs = "srcTokens" | "prevOutputTokens" | "target";

/** And of one of which not all positions of the target are computed. */
export type PackingInputs = "targetRows" | "targetPlaces" | "targetStarts";

/** A collated batch as training takes it. */
export function hostSample({
  srcTokens,
  prevOutputTokens,
  target,
  pad,
}: LanguagePairBatch): HostSample {
  if (!prevOutputTokens || !target) throw new Error("hostSample: the batch has no target");
  return { srcTokens, prevOutputTokens, target, padding: pad };
}

/** As a compiled step takes it, of whose target only what is needed is computed. */
export function packedInputs(
  sample: HostSample,
): Record<SampleInputs, HostTensor> & Partial<Record<PackingInputs, HostTensor>> {
  return { ...wholeInputs(sample), ...packTarget(sample) };
}

/** As a compiled step takes it that computes all of it. */
export function wholeInputs({
  padding: _,
  ...tokens
}: HostSample): Record<SampleInputs, HostTensor> {
  return tokens;
}

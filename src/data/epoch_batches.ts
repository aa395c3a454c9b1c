import { type BatchLimits, batchBySize } from "./batching.ts";
import type { LanguagePairDataset } from "./language_pair_dataset.ts";
import {
  applyLengthPolicy,
  type LengthPolicy,
  type LengthReport,
  type PairLimits,
} from "./length_limits.ts";

export interface BatchPlanOptions extends BatchLimits {
  /** Of the random order among pairs of equal lengths. */
  seed: number;
  limits: PairLimits;
  onTooLong: LengthPolicy;
  /** Name of the set in messages. */
  what: string;
}

/**
 * The fixed list of batches that every epoch shuffles: order by length, apply the length policy,
 * cut into batches. A pure function of dataset and options.
 */
export function planBatches(
  dataset: LanguagePairDataset,
  options: BatchPlanOptions,
): { dataset: LanguagePairDataset; batches: Int32Array[]; report: LengthReport } {
  const { seed, limits, onTooLong, what } = options;
  const all = Int32Array.from({ length: dataset.length }, (_, i) => i);
  // Cutting changes lengths, so the policy comes before the order.
  const { dataset: used, report } = applyLengthPolicy(dataset, all, limits, onTooLong, what);
  const skipped = new Set(report.policy === "skip" ? report.tooLong : []);
  const everything = used.orderedIndices(seed);
  const ordered =
    skipped.size === 0 ? everything : everything.filter((index) => !skipped.has(index));
  const batches = batchBySize(ordered, (index) => used.numTokens(index), options);
  return { dataset: used, batches, report };
}

import { UserError } from "../config/user_error.ts";
import type { LanguagePairDataset } from "./language_pair_dataset.ts";
import { truncateTokens } from "./token_dataset.ts";

/** Most tokens of a source and of a target. */
export type PairLimits = readonly [source: number, target: number];

/** A limit of one kind of component: a number for both sides, a pair, or none. */
export type PositionLimit = number | readonly [number | undefined, number | undefined] | undefined;

/** `--on-too-long`: what happens to pairs longer than the limits. */
export const LENGTH_POLICIES = ["error", "truncate", "skip"] as const;
export type LengthPolicy = (typeof LENGTH_POLICIES)[number];

/** The strictest of several limits, side by side. No limit is Infinity. */
export function resolveMaxPositions(...limits: PositionLimit[]): PairLimits {
  let source = Number.POSITIVE_INFINITY;
  let target = Number.POSITIVE_INFINITY;
  for (const limit of limits) {
    const [src, tgt] = typeof limit === "object" ? limit : [limit, limit];
    source = Math.min(source, src ?? Number.POSITIVE_INFINITY);
    target = Math.min(target, tgt ?? Number.POSITIVE_INFINITY);
  }
  return [source, target];
}

/** Splits indices, in their order, into those within the limits and the others. */
export function filterIndicesBySize(
  dataset: LanguagePairDataset,
  indices: Int32Array,
  [maxSource, maxTarget]: PairLimits,
): { kept: Int32Array; tooLong: Int32Array } {
  const fits = (index: number): boolean => {
    const [source, target] = dataset.size(index);
    return source <= maxSource && target <= maxTarget;
  };
  return { kept: indices.filter(fits), tooLong: indices.filter((index) => !fits(index)) };
}

/** What becomes of long sentences outside training: fairseq's flag for that wins over --on-too-long. */
export const evaluationPolicy = (flags: {
  readonly skip_invalid_size_inputs_valid_test: boolean;
  readonly on_too_long: LengthPolicy;
}): LengthPolicy => (flags.skip_invalid_size_inputs_valid_test ? "skip" : flags.on_too_long);

/** What a policy did: nothing is dropped in silence. */
export interface LengthReport {
  policy: LengthPolicy;
  limits: PairLimits;
  /** Pairs longer than the limits, in dataset order. */
  tooLong: Int32Array;
  /** For the log; empty if nothing was too long. */
  message: string;
}

/**
 * Applies `--on-too-long`.
 *
 * @param what the set's name for messages, e.g. "valid".
 * @returns the dataset to use (its long sides cut, under `truncate`), the indices that stay, and a report.
 * @throws UserError under `error`, naming the first pairs.
 */
export function applyLengthPolicy(
  dataset: LanguagePairDataset,
  indices: Int32Array,
  limits: PairLimits,
  policy: LengthPolicy,
  what: string,
): { dataset: LanguagePairDataset; indices: Int32Array; report: LengthReport } {
  const { kept, tooLong } = filterIndicesBySize(dataset, indices, limits);
  const ids = tooLong.slice().sort();
  const report: LengthReport = { policy, limits, tooLong: ids, message: "" };
  if (ids.length === 0) return { dataset, indices, report };
  const first = Array.from(ids.subarray(0, 10), (id) => `${id} (${dataset.size(id).join(", ")})`);
  const list = first.join(", ") + (ids.length > first.length ? ", ..." : "");
  const found = `${ids.length} of ${indices.length} sentence pairs are longer than (${limits.join(", ")}) tokens`;
  if (policy === "error") {
    throw new UserError({
      place: what,
      problem: `${found}: ${list}`,
      remedy:
        "choose --on-too-long truncate or skip, or raise --max-source-positions, " +
        "--max-target-positions or --max-tokens",
    });
  }
  if (policy === "skip") {
    report.message = `${what}: ${found} and are skipped: ${list}`;
    return { dataset, indices: kept, report };
  }
  report.message = `${what}: ${found} and are cut: ${list}`;
  return { dataset: truncatePairs(dataset, limits), indices, report };
}

/** Cuts both sides to the limits, eos kept. */
export function truncatePairs(
  dataset: LanguagePairDataset,
  [maxSource, maxTarget]: PairLimits,
): LanguagePairDataset {
  const { source, target, sourceDictionary, targetDictionary = sourceDictionary } = dataset.options;
  return dataset.with({
    source: truncateTokens(source, maxSource, sourceDictionary.eosIndex),
    target: target && truncateTokens(target, maxTarget, targetDictionary.eosIndex),
  });
}

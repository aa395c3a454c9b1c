import type { EvaluationDataConfig } from "../config/schemas/evaluation.ts";
import { UserError } from "../config/user_error.ts";
import { planBatches } from "../data/epoch_batches.ts";
import type { LanguagePairDataset } from "../data/language_pair_dataset.ts";
import { evaluationPolicy, type LengthReport, type PairLimits } from "../data/length_limits.ts";

/** fairseq's batches of generate where neither --max-tokens nor --batch-size is given. */
export const DEFAULT_MAX_TOKENS = 12000;

type BatchingFlags = Pick<
  EvaluationDataConfig,
  | "max_tokens"
  | "batch_size"
  | "required_batch_size_multiple"
  | "on_too_long"
  | "skip_invalid_size_inputs_valid_test"
  | "num_shards"
  | "shard_id"
>;

export interface EvaluationBatches {
  /** With long sentences cut, under that policy. */
  readonly dataset: LanguagePairDataset;
  /** Those of this shard, in fairseq's order. */
  readonly batches: readonly Int32Array[];
  readonly report: LengthReport;
}

/**
 * Cuts a set into batches of rising length and takes this shard's share: every N-th batch.
 *
 * @param what the set's name, for messages.
 * @throws UserError for sentences that are too long, unless the policy says otherwise.
 */
export function evaluationBatches(
  dataset: LanguagePairDataset,
  flags: BatchingFlags,
  limits: PairLimits,
  what: string,
  seed: number,
): EvaluationBatches {
  const { num_shards: shards, shard_id: shard } = flags;
  if (shard >= shards) {
    throw new UserError({
      place: `--shard-id ${shard}`,
      problem: `there are only ${shards} shards`,
      remedy: `count shards from 0 to ${shards - 1}`,
    });
  }
  const unlimited = flags.max_tokens === undefined && flags.batch_size === undefined;
  const planned = planBatches(dataset, {
    seed,
    limits,
    onTooLong: evaluationPolicy(flags),
    what,
    maxTokens: unlimited ? DEFAULT_MAX_TOKENS : flags.max_tokens,
    maxSentences: flags.batch_size,
    requiredBatchSizeMultiple: flags.required_batch_size_multiple,
  });
  const batches = planned.batches.filter((_, i) => i % shards === shard);
  return { dataset: planned.dataset, batches, report: planned.report };
}

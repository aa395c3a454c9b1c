// Validation: the criterion over each validation set, and what is logged of it.
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import type { DatasetConfig } from "../config/schemas/dataset.ts";
import { UserError } from "../config/user_error.ts";
import type { LanguagePairDataset } from "../data/language_pair_dataset.ts";
import {
  type BatchedSet,
  type BatchShape,
  type BatchSource,
  largestBatches,
} from "./batch_source.ts";
import type { Company } from "./company.ts";
import { divergence } from "./divergence.ts";
import { validationStats } from "./metrics.ts";
import type { TrainingLog } from "./progress.ts";
import { addSums, emptySums } from "./sums.ts";
import type { Trainer } from "./trainer.ts";

/** Metrics that are not the criterion's, such as BLEU of translations. */
export interface ExtraMetrics {
  /** What `measure` returns values of. */
  readonly names: readonly string[];
  measure(
    dataset: LanguagePairDataset,
    batches: readonly Int32Array[],
  ): Promise<Record<string, number>>;
}

export interface ValidatorParts {
  readonly dataset: DatasetConfig;
  readonly checkpoint: CheckpointConfig;
  readonly trainer: Trainer;
  readonly batches: BatchSource;
  readonly log: TrainingLog;
  readonly clock: () => number;
  readonly extra?: ExtraMetrics;
  /** Called between batches, which run without yielding: lets a second Ctrl-C end a long validation. */
  readonly breathe?: () => Promise<void>;
  readonly company: Company;
}

export class Validator {
  private readonly sets = new Map<string, BatchedSet>();

  constructor(private readonly parts: ValidatorParts) {}

  /** Names of the validation sets. */
  get subsets(): string[] {
    return this.parts.dataset.valid_subset.split(",");
  }

  /**
   * Loads all sets, so that a missing one is an error before training and not after an epoch; so is a
   * metric that no validation will report.
   */
  load(): void {
    for (const subset of this.subsets) this.setOf(subset);
    const { trainer, checkpoint, extra } = this.parts;
    const ones = (names: readonly string[] = []) =>
      Object.fromEntries(names.map((name) => [name, 1]));
    const losses = ones(trainer.lossNames());
    const sums = { ntokens: 1, nsentences: 1, sampleSize: 1, losses };
    const trial = { sums, batches: 1, seconds: 1, numUpdates: 1, extra: ones(extra?.names) };
    const metric = checkpoint.best_checkpoint_metric;
    const best = { metric, value: undefined, maximize: false };
    const stats = validationStats(trainer.options.criterion, trial, best);
    if (!stats.has(metric)) throw withoutMetric(metric, stats);
  }

  /** Shapes of the batches that may need most memory, of all sets. */
  largest(): BatchShape[] {
    return this.subsets.flatMap((subset) => largestBatches(this.setOf(subset)));
  }

  /**
   * Validates on every set.
   *
   * @param best best value of the metric so far.
   * @returns the metric that decides about checkpoints, on the first set.
   */
  async validate(epoch: number, updates: number, best: number | undefined): Promise<number> {
    const values: number[] = [];
    for (const subset of this.subsets) {
      values.push(await this.validateOn(subset, epoch, updates, best));
    }
    return values[0];
  }

  private async validateOn(
    subset: string,
    epoch: number,
    updates: number,
    best: number | undefined,
  ): Promise<number> {
    const { trainer, log, checkpoint, clock, dataset: config, extra, company } = this.parts;
    const { dataset, batches: all } = this.setOf(subset);
    const batches = all.slice(0, config.max_valid_steps);
    const label = `valid on '${subset}' subset`;
    const progress = log.begin({ epoch, done: 0, size: batches.length, label });
    const begun = clock();
    const rows = await company.divided(`${subset} ${updates}`, batches.length, async (number) => {
      const batch = dataset.batch(batches[number]);
      const row = batch ? trainer.rowOf(await trainer.validate(batch)) : [];
      progress.advance();
      await this.parts.breathe?.();
      return row;
    });
    const sums = rows.map((row) => trainer.sumsOf(row)).reduce(addSums, emptySums());
    if (!Number.isFinite(sums.losses.loss)) {
      const place = `validation on ${subset} after update ${updates}`;
      throw divergence(place, `the loss is ${sums.losses.loss}, so this state is not saved`);
    }
    const metric = checkpoint.best_checkpoint_metric;
    const measure = async () => (await extra?.measure(dataset, batches)) ?? {};
    const stats = validationStats(
      trainer.options.criterion,
      {
        sums,
        batches: batches.length,
        seconds: clock() - begun,
        numUpdates: updates,
        extra: extra && (await company.agreed(`metrics of ${subset} ${updates}`, measure)),
      },
      { metric, value: best, maximize: checkpoint.maximize_best_checkpoint_metric },
    );
    progress.close();
    progress.summarize(subset, stats);
    const value = stats.get(metric);
    if (value !== undefined) return value;
    throw withoutMetric(metric, stats);
  }

  private setOf(subset: string): BatchedSet {
    const set = this.sets.get(subset) ?? this.parts.batches.validation(subset);
    this.sets.set(subset, set);
    return set;
  }
}

function withoutMetric(metric: string, stats: ReadonlyMap<string, number>): UserError {
  const bleu = metric === "bleu" ? "add --eval-bleu, or " : "";
  return new UserError({
    place: `--best-checkpoint-metric ${metric}`,
    problem: "no validation reports it",
    remedy: `${bleu}choose one of ${[...stats.keys()].join(", ")}`,
  });
}

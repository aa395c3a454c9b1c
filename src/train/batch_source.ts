// The training batches of every epoch, and those of each validation set.
import type { BatchingConfig } from "../config/schemas/batching.ts";
import type { DatasetConfig } from "../config/schemas/dataset.ts";
import { UserError } from "../config/user_error.ts";
import { planBatches } from "../data/epoch_batches.ts";
import { EpochBatchIterator, type EpochIteratorState, type Round } from "../data/epoch_iterator.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { LanguagePairDataset } from "../data/language_pair_dataset.ts";
import {
  evaluationPolicy,
  type LengthPolicy,
  type PairLimits,
  resolveMaxPositions,
} from "../data/length_limits.ts";
import type { Task } from "../tasks/task.ts";

export interface BatchedSet {
  readonly dataset: LanguagePairDataset;
  readonly batches: readonly Int32Array[];
}

/** Rows, source columns and target columns of a batch. */
export type BatchShape = readonly [sentences: number, sourceWidth: number, targetWidth: number];

/** How many batches an update takes at once, in parallel: fairseq's world size. */
export interface BatchShards {
  /** What the user asked for. */
  readonly given: number | undefined;
  /** Peers that there are at the start. */
  readonly peers: number;
}

export class BatchSource {
  private numShards: number;
  private current: { epoch: number; set: BatchedSet } | undefined;
  private iterator: EpochBatchIterator<Round> | undefined;

  /**
   * @param limits the model's longest source and target.
   * @param log hears what the length policy did.
   */
  constructor(
    private readonly task: Task,
    private readonly config: DatasetConfig,
    private readonly seed: number,
    private readonly limits: PairLimits,
    private readonly log: (line: string) => void,
    private readonly wanted: BatchShards = { given: undefined, peers: 1 },
  ) {
    this.numShards = wanted.given ?? wanted.peers;
  }

  /** Batches that an update takes at once, times --update-freq. */
  get shards(): number {
    return this.numShards;
  }

  /** The iterator that gives out `epoch` next, or the rest of it after a resume. */
  epochs(epoch: number): EpochBatchIterator<Round> {
    if (this.iterator && this.current && this.serves(this.current.epoch, epoch)) {
      return this.iterator;
    }
    const { batches } = this.training(epoch);
    const { seed, numShards } = this;
    const { grouped_shuffling: groupedShuffling } = this.config;
    this.iterator = EpochBatchIterator.rounds({
      ...{ batches, seed, epoch, numShards, groupedShuffling },
    });
    return this.iterator;
  }

  /**
   * Goes to where a checkpoint stood. Updates go on being made of as many batches as then, whoever is
   * there now, unless the user says otherwise.
   *
   * @throws UserError if the batches are not those of then, or updates of another size cannot begin there.
   */
  resume(state: EpochIteratorState): void {
    const { num_shards: saved = this.numShards, iterations_in_epoch: rounds = 0 } = state;
    const { given } = this.wanted;
    if (saved !== this.numShards) {
      if (given === undefined) {
        this.numShards = saved;
        this.iterator = undefined;
        this.log(
          `updates go on being made of ${saved} x --update-freq batches, as in the checkpoint; ` +
            "--batch-shards would change that",
        );
      } else {
        if ((rounds * saved) % given !== 0) throw unevenShards(given, saved, state);
        this.log(
          `updates are made of ${given} x --update-freq batches from now on, as --batch-shards says; ` +
            `in the checkpoint they were made of ${saved}`,
        );
      }
    }
    this.epochs(state.epoch).loadState(state);
  }

  /** The collated batch of some sentences, at least one, of `epoch`'s training set. */
  trainingBatch(epoch: number, ids: Int32Array): LanguagePairBatch {
    const batch = this.training(epoch).dataset.batch(ids);
    if (!batch) throw new Error("BatchSource: a batch of no sentences");
    return batch;
  }

  /**
   * Shapes of the training batches that may need most memory.
   *
   * @param pieces in how many pieces a batch is computed.
   */
  largest(epoch: number, pieces: (shape: BatchShape) => number): BatchShape[] {
    return largestBatches(this.training(epoch), pieces);
  }

  /** Batches of a validation set, in order of length. */
  validation(subset: string): BatchedSet {
    const { max_tokens_valid, batch_size_valid } = this.config;
    const config = {
      ...this.config,
      max_tokens: max_tokens_valid ?? this.config.max_tokens,
      batch_size: batch_size_valid ?? this.config.batch_size,
    };
    return this.plan(this.task.loadDataset(subset), config, evaluationPolicy(config), subset);
  }

  /** Whether the set of epoch `loaded` is that of `epoch` too: shards take turns. */
  private serves(loaded: number, epoch: number): boolean {
    return loaded === epoch || !this.config.data.includes(":");
  }

  private training(epoch: number): BatchedSet {
    if (this.current && this.serves(this.current.epoch, epoch)) return this.current.set;
    const { train_subset, on_too_long } = this.config;
    const dataset = this.task.loadDataset(train_subset, epoch);
    const set = this.plan(dataset, this.config, on_too_long, train_subset);
    this.current = { epoch, set };
    return set;
  }

  private plan(
    dataset: LanguagePairDataset,
    config: Pick<BatchingConfig, "max_tokens" | "batch_size" | "required_batch_size_multiple">,
    onTooLong: LengthPolicy,
    what: string,
  ): BatchedSet {
    if (dataset.options.target === undefined) throw withoutTarget(what);
    const planned = planBatches(dataset, {
      seed: this.seed,
      // What is longer than a whole batch is too long, in validation sets too: fairseq stops there.
      limits: resolveMaxPositions(this.task.maxPositions, this.limits, config.max_tokens),
      onTooLong,
      what,
      maxTokens: config.max_tokens,
      maxSentences: config.batch_size,
      requiredBatchSizeMultiple: config.required_batch_size_multiple,
    });
    if (planned.report.message) this.log(planned.report.message);
    if (planned.batches.length === 0) throw nothingLeft(what, dataset.length);
    return planned;
  }
}

/**
 * Shapes of the batches that may need most memory: which of them does is known when they are planned.
 * Memory grows with tokens of the source for the encoder, of the target for logits, of both for the rest.
 *
 * @param pieces in how many pieces a batch is computed: what counts is the largest of them.
 */
export function largestBatches(
  { dataset, batches }: BatchedSet,
  pieces: (shape: BatchShape) => number = () => 1,
): BatchShape[] {
  const { padToMultiple = 1 } = dataset.options;
  const widthOf = (longest: number): number => Math.ceil(longest / padToMultiple) * padToMultiple;
  const shapes = batches.map((ids): BatchShape => {
    let [source, target] = [0, 0];
    for (const id of ids) {
      const [s, t] = dataset.size(id);
      source = Math.max(source, widthOf(s));
      target = Math.max(target, widthOf(t));
    }
    return [ids.length, source, target];
  });
  const atOnce = (shape: BatchShape): number => Math.ceil(shape[0] / pieces(shape));
  const costs: ((shape: BatchShape) => number)[] = [
    (shape) => atOnce(shape) * (shape[1] + shape[2]),
    (shape) => atOnce(shape) * shape[1],
    (shape) => atOnce(shape) * shape[2],
  ];
  const largest = costs.map((cost) => shapes.reduce((a, b) => (cost(b) > cost(a) ? b : a)));
  return [...new Map(largest.map((shape) => [shape.join(), shape])).values()];
}

const unevenShards = (
  given: number,
  saved: number,
  { epoch, iterations_in_epoch: rounds = 0 }: EpochIteratorState,
): UserError =>
  new UserError({
    place: `--batch-shards ${given}`,
    problem:
      `the checkpoint's updates are made of ${saved} batches, ${rounds * saved} of epoch ${epoch} so far, ` +
      `which cannot be cut into updates of ${given}`,
    remedy:
      `give --batch-shards ${saved}, or leave the flag out, to go on as before; ` +
      "or pass --reset-dataloader to begin with epoch 1 anew",
  });

const nothingLeft = (what: string, pairs: number): UserError =>
  new UserError({
    place: what,
    problem: `all of its ${pairs} sentence pairs are too long and skipped`,
    remedy: "raise --max-tokens or the position limits, or choose --on-too-long truncate",
  });

const withoutTarget = (what: string): UserError =>
  new UserError({
    place: what,
    problem: "has sources without targets: the .bin or the .idx file of the targets is missing",
    remedy: "binarise both sides with weft preprocess",
  });

import { UserError } from "../config/user_error.ts";
import { CountingIterator } from "./counting_iterator.ts";
import { NumpyRandom } from "./numpy_random.ts";

/** Indices of the sentences of one micro-batch; empty where a shard has none left. */
export type IndexBatch = Int32Array;

export interface EpochIteratorOptions {
  /** The list every epoch shuffles; see planBatches(). */
  batches: readonly IndexBatch[];
  /** Epoch e is shuffled with seed + e. */
  seed: number;
  /** Peers that share an epoch, and which of them this is. */
  numShards?: number;
  shardId?: number;
  /** First epoch, from 1. */
  epoch?: number;
  /** Never shuffle. */
  disableShuffling?: boolean;
  /** Leave out the last batch of an epoch, which may be small. */
  skipRemainderBatch?: boolean;
  /** Shuffle blocks of numShards batches, so that peers get batches of like length. */
  groupedShuffling?: boolean;
  /** Give each shard the same batches in every epoch, shuffled within the shard. */
  fixBatchesToShards?: boolean;
}

/** Where an epoch iterator stands, as a checkpoint keeps it. fairseq's keys, and two of ours. */
export interface EpochIteratorState {
  version?: number;
  epoch: number;
  /** Micro-batches of one shard that were given out. */
  iterations_in_epoch?: number;
  shuffle?: boolean;
  /** Shards there were. */
  num_shards?: number;
  /** Of the batch list: two lists of one fingerprint are the same. */
  fingerprint?: string;
}

/** What all shards take at once: one batch each, by shard. */
export type Round = readonly IndexBatch[];

/**
 * Gives out the batches of epoch after epoch; stops and resumes at any micro-batch. The order is a
 * function of (seed, epoch) alone; shard r of N takes every N-th batch from the r-th on. fairseq's
 * EpochBatchIterator: one shard's batches. `rounds()` makes one that gives those of all shards.
 */
export class EpochBatchIterator<Item = IndexBatch> {
  readonly batches: readonly IndexBatch[];
  readonly numShards: number;
  readonly shardId: number;
  readonly fingerprint: string;
  readonly #options: EpochIteratorOptions;
  #epoch: number;
  #shuffle = true;
  readonly #pick: (round: Round) => Item;
  #current?: CountingIterator<Item>;
  #resumed?: CountingIterator<Item>;

  /** The batches of one shard. */
  static ofShard(options: EpochIteratorOptions): EpochBatchIterator {
    const { shardId = 0 } = options;
    return new EpochBatchIterator(options, (round) => round[shardId]);
  }

  /** The batches of all shards: what they take at once is one item. */
  static rounds(options: Omit<EpochIteratorOptions, "shardId">): EpochBatchIterator<Round> {
    return new EpochBatchIterator(options, (round) => round);
  }

  private constructor(options: EpochIteratorOptions, pick: (round: Round) => Item) {
    const { batches, numShards = 1, shardId = 0, epoch = 1 } = options;
    if (shardId < 0 || shardId >= numShards) {
      throw new UserError({
        place: "--shard-id",
        problem: `${shardId} is not below --num-shards ${numShards}`,
        remedy: "number the shards from 0",
      });
    }
    this.#options = options;
    this.#pick = pick;
    this.batches = batches;
    this.numShards = numShards;
    this.shardId = shardId;
    this.fingerprint = fingerprintBatches(batches);
    this.#epoch = Math.max(epoch, 1);
  }

  /** Batches of one shard in an epoch. */
  get length(): number {
    return Math.ceil(this.batches.length / this.numShards);
  }

  /** The epoch being given out, or before the first nextEpoch() the one it will give. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The epoch that nextEpoch() will give. */
  get nextEpochIndex(): number {
    return !this.#resumed && this.#current && this.endOfEpoch() ? this.#epoch + 1 : this.#epoch;
  }

  /** Micro-batches given out of the epoch. */
  get iterationsInEpoch(): number {
    return (this.#current ?? this.#resumed)?.n ?? 0;
  }

  /** A batch to trace and to stand in where a shard has none. @throws UserError if there is none. */
  get firstBatch(): IndexBatch {
    const [first] = this.batches;
    if (first) return first;
    throw new UserError({
      place: "dataset",
      problem: "no sentence pair is left to make a batch of",
      remedy: "raise --max-tokens or the position limits, or give a larger dataset",
    });
  }

  endOfEpoch(): boolean {
    return this.#current !== undefined && !this.#current.hasNext();
  }

  /**
   * The batches of the next epoch; of the rest of the epoch after a resume; or of the same epoch
   * again, if it was not finished.
   */
  nextEpoch({ shuffle = true }: { shuffle?: boolean } = {}): CountingIterator<Item> {
    const wanted = shuffle && !this.#options.disableShuffling;
    this.#epoch = this.nextEpochIndex;
    // A resumed epoch keeps the order it was begun with, whatever is asked for now.
    this.#current = this.#resumed ?? this.#iterate(this.#epoch, wanted, 0);
    if (!this.#resumed) this.#shuffle = wanted;
    this.#resumed = undefined;
    return this.#current;
  }

  state(): EpochIteratorState {
    const done = this.endOfEpoch();
    return {
      version: 2,
      epoch: done ? this.#epoch + 1 : this.#epoch,
      iterations_in_epoch: done ? 0 : this.iterationsInEpoch,
      shuffle: this.#shuffle,
      num_shards: this.numShards,
      fingerprint: this.fingerprint,
    };
  }

  /**
   * Goes to a saved place. Another number of shards is fine where the place falls between two
   * rounds of all shards; other batches (another --max-tokens, other data) only between epochs.
   *
   * @throws UserError if the place does not exist in these batches.
   */
  loadState(state: EpochIteratorState): void {
    const { epoch, iterations_in_epoch: saved = 0, shuffle = true } = state;
    this.#epoch = epoch;
    this.#shuffle = shuffle;
    this.#current = undefined;
    this.#resumed = undefined;
    if (saved === 0) return;
    if (state.fingerprint !== undefined && state.fingerprint !== this.fingerprint) {
      throw cannotResume(state, "the batches were made with other data or options");
    }
    const position = (saved * (state.num_shards ?? this.numShards)) / this.numShards;
    if (!Number.isInteger(position)) {
      throw cannotResume(
        state,
        `${this.numShards} shards cannot go on where ${state.num_shards} were`,
      );
    }
    if (position < this.length) {
      this.#resumed = this.#iterate(epoch, shuffle, position);
    } else if (state.version === undefined || state.version === 1) {
      // The oldest states were saved at the end of an epoch without moving on.
      this.#epoch = epoch + 1;
    } else {
      throw cannotResume(state, `an epoch has ${this.length} batches`);
    }
  }

  #iterate(epoch: number, shuffle: boolean, start: number): CountingIterator<Item> {
    const items = this.#rounds(epoch, shuffle).map(this.#pick);
    const iterator = new CountingIterator(items, start);
    return this.#options.skipRemainderBatch ? iterator.take(items.length - 1) : iterator;
  }

  #rounds(epoch: number, shuffle: boolean): Round[] {
    const { seed, groupedShuffling = false, fixBatchesToShards = false } = this.#options;
    const random = (offset: number) => new NumpyRandom(seed + epoch + offset);
    let batches = [...this.batches];
    if (shuffle && !fixBatchesToShards) {
      if (groupedShuffling) batches = shuffleBlocks(batches, this.numShards, random(0));
      else random(0).shuffle(batches);
    }
    const { numShards } = this;
    const shards = Array.from({ length: numShards }, (_, shard) => {
      const own = Array.from(
        { length: this.length },
        (_, i) => batches[shard + i * numShards] ?? FILLER,
      );
      if (shuffle && fixBatchesToShards) random(shard).shuffle(own);
      return own;
    });
    return Array.from({ length: this.length }, (_, i) => shards.map((own) => own[i]));
  }
}

const FILLER: IndexBatch = new Int32Array(0);

/** Shuffles whole blocks; batches after the last full block stay at the end (fairseq loses them). */
function shuffleBlocks(
  batches: readonly IndexBatch[],
  size: number,
  random: NumpyRandom,
): IndexBatch[] {
  const blocks = Array.from({ length: Math.floor(batches.length / size) }, (_, i) =>
    batches.slice(i * size, (i + 1) * size),
  );
  const rest = batches.slice(blocks.length * size);
  random.shuffle(blocks);
  return [...blocks.flat(), ...rest];
}

/** 64 bits over the batch list (two FNV-1a lanes over the indices and the batches' lengths). */
function fingerprintBatches(batches: readonly IndexBatch[]): string {
  let a = 0x811c9dc5;
  let b = 0x050c5d1f;
  const add = (word: number) => {
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b ^ (word + 0x9e3779b9), 0x01000193);
    b ^= b >>> 15;
  };
  for (const batch of batches) {
    add(batch.length);
    for (const index of batch) add(index);
  }
  return [a, b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
}

function cannotResume(state: EpochIteratorState, why: string): UserError {
  return new UserError({
    place: `checkpoint at epoch ${state.epoch}, batch ${state.iterations_in_epoch}`,
    problem: `training cannot go on from there: ${why}`,
    remedy:
      "use the data and batch options the run was started with, or pass --reset-dataloader " +
      "to begin the epoch anew",
  });
}

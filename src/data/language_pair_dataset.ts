import type { Dictionary } from "./dictionary.ts";
import {
  type CollateOptions,
  collateLanguagePairs,
  type LanguagePairBatch,
  type LanguagePairItem,
} from "./language_pair_batch.ts";
import { lengthBuckets, padToBuckets } from "./length_buckets.ts";
import { NumpyRandom } from "./numpy_random.ts";
import type { TokenDataset } from "./token_dataset.ts";

export interface LanguagePairOptions {
  source: TokenDataset;
  sourceDictionary: Dictionary;
  target?: TokenDataset;
  targetDictionary?: Dictionary;
  /** Alignments: pairs of positions, flat. */
  alignments?: TokenDataset;
  /** Whether orderedIndices() starts from a random order. True, except for test sets. */
  shuffle?: boolean;
  leftPadSource?: boolean;
  leftPadTarget?: boolean;
  inputFeeding?: boolean;
  /** Take eos off the sources. */
  removeEosFromSource?: boolean;
  /** Put eos behind targets that lack it. */
  appendEosToTarget?: boolean;
  /** Put bos before sources and targets that lack it. */
  appendBos?: boolean;
  /** Pad items to one of this many lengths; 0 pads to the longest of each batch alone. */
  numBuckets?: number;
  /** First token of the decoder's input; eos of the target where not given. */
  eos?: number;
  padToMultiple?: number;
}

/** Sentence pairs with the order in which batches are cut from them. fairseq's LanguagePairDataset. */
export class LanguagePairDataset {
  readonly source: TokenDataset;
  readonly target?: TokenDataset;
  readonly sourceDictionary: Dictionary;
  readonly targetDictionary?: Dictionary;
  readonly #options: LanguagePairOptions;
  readonly #collate: CollateOptions;

  constructor(options: LanguagePairOptions) {
    const { sourceDictionary, targetDictionary, numBuckets = 0 } = options;
    const { leftPadSource = true, leftPadTarget = false } = options;
    this.#options = options;
    this.sourceDictionary = sourceDictionary;
    this.targetDictionary = targetDictionary;
    this.#collate = {
      pad: sourceDictionary.padIndex,
      eos: options.eos ?? sourceDictionary.eosIndex,
      leftPadSource,
      leftPadTarget,
      inputFeeding: options.inputFeeding,
      padToMultiple: options.padToMultiple,
    };
    const bucketed = (dataset: TokenDataset, leftPad: boolean): TokenDataset =>
      numBuckets > 0
        ? padToBuckets(
            dataset,
            lengthBuckets(dataset.sizes, numBuckets),
            this.#collate.pad,
            leftPad,
          )
        : dataset;
    this.source = bucketed(options.source, leftPadSource);
    this.target = options.target && bucketed(options.target, leftPadTarget);
  }

  /** A dataset with some options changed, e.g. truncated sides. */
  with(changes: Partial<LanguagePairOptions>): LanguagePairDataset {
    return new LanguagePairDataset({ ...this.#options, ...changes });
  }

  get options(): Readonly<LanguagePairOptions> {
    return this.#options;
  }

  get length(): number {
    return this.source.length;
  }

  /** Source and target length of a pair, in tokens; the target's is 0 if there is none. */
  size(index: number): [number, number] {
    return [this.source.sizes[index] ?? 0, this.target?.sizes[index] ?? 0];
  }

  /** What a pair costs in a batch: the longer side, in tokens. */
  numTokens(index: number): number {
    return Math.max(...this.size(index));
  }

  get(index: number): LanguagePairItem {
    const { appendBos, appendEosToTarget, removeEosFromSource, alignments } = this.#options;
    const source = this.sourceDictionary;
    const target = this.targetDictionary ?? source;
    const item: LanguagePairItem = {
      id: index,
      source: this.source.get(index),
      target: this.target?.get(index),
    };
    if (appendEosToTarget && item.target) item.target = withLast(item.target, target.eosIndex);
    if (appendBos) {
      item.source = withFirst(item.source, source.bosIndex);
      item.target = item.target && withFirst(item.target, target.bosIndex);
    }
    if (removeEosFromSource && item.source.at(-1) === source.eosIndex) {
      item.source = item.source.subarray(0, -1);
    }
    if (alignments) item.alignment = alignments.get(index);
    return item;
  }

  collate(
    items: readonly LanguagePairItem[],
    padToLength?: { source: number; target: number },
  ): LanguagePairBatch | undefined {
    return collateLanguagePairs(items, { ...this.#collate, padToLength });
  }

  /** The batch of some pairs; undefined for none, as in the filler batches of a shard. */
  batch(indices: Iterable<number>): LanguagePairBatch | undefined {
    return this.collate(Array.from(indices, (index) => this.get(index)));
  }

  /**
   * All pairs by rising source length, then target length, then at random. With buckets: by the
   * padded length of the longer side.
   *
   * @param seed of the random order, if the dataset shuffles.
   */
  orderedIndices(seed: number): Int32Array {
    const order =
      (this.#options.shuffle ?? true)
        ? new NumpyRandom(seed).permutation(this.length)
        : Int32Array.from({ length: this.length }, (_, i) => i);
    // Sorting is stable, so one comparison by (source, target) equals fairseq's two sorts.
    if ((this.#options.numBuckets ?? 0) > 0) {
      return order.sort((a, b) => this.numTokens(a) - this.numTokens(b));
    }
    const src = this.source.sizes;
    const tgt = this.target?.sizes;
    return order.sort(
      (a, b) => (src[a] ?? 0) - (src[b] ?? 0) || (tgt ? (tgt[a] ?? 0) - (tgt[b] ?? 0) : 0),
    );
  }
}

function withFirst(tokens: Int32Array, first: number): Int32Array {
  return tokens[0] === first ? tokens : Int32Array.of(first, ...tokens);
}

function withLast(tokens: Int32Array, last: number): Int32Array {
  return tokens.at(-1) === last ? tokens : Int32Array.of(...tokens, last);
}

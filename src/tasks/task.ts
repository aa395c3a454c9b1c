// What a task is: the dictionaries, the data sets, and what a model must be built for.

import type { Dictionary } from "../data/dictionary.ts";
import type { DatasetImpl } from "../data/indexed_dataset.ts";
import type { LanguagePairDataset } from "../data/language_pair_dataset.ts";
import type { PairLimits } from "../data/length_limits.ts";
import type { ModelContext } from "../models/model.ts";

export interface TaskContext {
  /** Folder of binarised data, or several joined by colons; undefined where there are only dictionaries. */
  readonly data: string | undefined;
  readonly datasetImpl: DatasetImpl | undefined;
  /** Widths of batches are multiples of this. */
  readonly padToMultiple: number;
  /** Texts of the dictionaries by language, from a checkpoint: used where the data has none. */
  readonly dictionaries?: Readonly<Record<string, string>>;
}

/** A translation from one token sequence to another. */
export interface Task {
  readonly sourceLang: string;
  readonly targetLang: string;
  readonly sourceDictionary: Dictionary;
  readonly targetDictionary: Dictionary;
  readonly modelContext: ModelContext;
  /** Longest source and target, in tokens. */
  readonly maxPositions: PairLimits;
  /** Texts of the dictionaries by language, as a checkpoint keeps them. */
  dictionaryTexts(): Record<string, string>;
  /**
   * @param epoch from 1, of a training set only: its shards take turns, and SPLIT1, SPLIT2, ... are
   * parts of it. @throws UserError if the set is missing.
   */
  loadDataset(split: string, epoch?: number): LanguagePairDataset;
  /** A set of sources without targets, as they are typed into interactive. */
  datasetOf(sources: readonly Int32Array[]): LanguagePairDataset;
  /** Identifies the training data: another hash is another run. @param split the training set. */
  dataHash(split: string): string;
}

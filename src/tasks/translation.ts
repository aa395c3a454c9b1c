import { existsSync, readdirSync } from "node:fs";
import { task } from "../components.ts";
import { translation as config, type TranslationConfig } from "../config/schemas/translation.ts";
import { UserError } from "../config/user_error.ts";
import { Dictionary } from "../data/dictionary.ts";
import { LanguagePairDataset } from "../data/language_pair_dataset.ts";
import type { PairLimits } from "../data/length_limits.ts";
import {
  type LanguagePairFolder,
  loadLanguagePairs,
  openLanguagePairFolder,
} from "../data/load_language_pairs.ts";
import { tokenList } from "../data/token_dataset.ts";
import type { ModelContext } from "../models/model.ts";
import { dataHash } from "./data_hash.ts";
import type { Task, TaskContext } from "./task.ts";

/** Sentence pairs of two languages. */
class TranslationTask implements Task {
  readonly modelContext: ModelContext;
  readonly maxPositions: PairLimits;

  constructor(
    private readonly config: TranslationConfig,
    private readonly context: TaskContext,
    private readonly folder: LanguagePairFolder,
  ) {
    const { sourceDictionary: source, targetDictionary: target } = folder;
    this.maxPositions = [config.max_source_positions, config.max_target_positions];
    this.modelContext = {
      sourceSymbols: source.length,
      targetSymbols: target.length,
      padding: target.padIndex,
      sharedDictionary: source === target || source.serialize() === target.serialize(),
    };
  }

  get sourceLang(): string {
    return this.folder.sourceLang;
  }

  get targetLang(): string {
    return this.folder.targetLang;
  }

  get sourceDictionary(): Dictionary {
    return this.folder.sourceDictionary;
  }

  get targetDictionary(): Dictionary {
    return this.folder.targetDictionary;
  }

  dictionaryTexts(): Record<string, string> {
    return {
      [this.sourceLang]: this.sourceDictionary.serialize(),
      [this.targetLang]: this.targetDictionary.serialize(),
    };
  }

  loadDataset(split: string, epoch?: number): LanguagePairDataset {
    const { config, context } = this;
    const dataset = loadLanguagePairs(this.folder, {
      split,
      epoch,
      combine: epoch !== undefined,
      upsamplePrimary: config.upsample_primary,
      impl: context.datasetImpl,
      truncateSource: config.truncate_source ? config.max_source_positions : undefined,
      leftPadSource: config.left_pad_source,
      leftPadTarget: config.left_pad_target,
      numBuckets: config.num_batch_buckets,
      padToMultiple: context.padToMultiple,
    });
    if (dataset.length > 0) return dataset;
    throw new UserError({
      place: `${this.folder.folders[0]}: ${split}`,
      problem: "holds no sentence",
      remedy: "preprocess a text that is not empty",
    });
  }

  datasetOf(sources: readonly Int32Array[]): LanguagePairDataset {
    return new LanguagePairDataset({
      source: tokenList(sources),
      sourceDictionary: this.sourceDictionary,
      targetDictionary: this.targetDictionary,
      leftPadSource: this.config.left_pad_source,
    });
  }

  dataHash(split: string): string {
    return dataHash(Object.values(this.dictionaryTexts()), this.folder.folders, split);
  }
}

export const translation = task({
  name: "translation",
  config,
  build: (settings, context: TaskContext): Task =>
    new TranslationTask(settings, context, openFolder(settings, context)),
});

/** The folder, or languages and dictionaries alone where a checkpoint brings them. */
function openFolder(settings: TranslationConfig, context: TaskContext): LanguagePairFolder {
  const { data, dictionaries } = context;
  const { source_lang, target_lang } = settings;
  const first = data?.split(":")[0];
  const hasDictionaries =
    first !== undefined &&
    existsSync(first) &&
    readdirSync(first).some((name) => /^dict\..+\.txt$/.test(name));
  if (data !== undefined && (hasDictionaries || !dictionaries)) {
    return openLanguagePairFolder(data, source_lang, target_lang);
  }
  const [source, target] = languagesOf(dictionaries ?? {}, source_lang, target_lang);
  const parse = (language: string) =>
    Dictionary.parse(dictionaries?.[language] ?? "", `dictionary of ${language} in the checkpoint`);
  return {
    folders: data?.split(":") ?? [],
    sourceLang: source,
    targetLang: target,
    sourceDictionary: parse(source),
    targetDictionary: parse(target),
  };
}

function languagesOf(
  dictionaries: Readonly<Record<string, string>>,
  source: string | undefined,
  target: string | undefined,
): [source: string, target: string] {
  const [first, second = first] = Object.keys(dictionaries);
  const pair: [string, string] = [source ?? first, target ?? second];
  const absent = pair.find((language) => dictionaries[language] === undefined);
  if (absent === undefined) return pair;
  throw new UserError({
    place: "--source-lang, --target-lang",
    problem: `there is no dictionary of ${absent}`,
    remedy: `the checkpoint has ${Object.keys(dictionaries).join(" and ")}; or give the data folder`,
  });
}

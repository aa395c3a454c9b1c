import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../config/user_error.ts";
import type { Dictionary } from "./dictionary.ts";
import { loadDictionary } from "./dictionary_file.ts";
import { type DatasetImpl, datasetExists, openDataset } from "./indexed_dataset.ts";
import { LanguagePairDataset } from "./language_pair_dataset.ts";
import {
  appendToken,
  checkIds,
  concatTokens,
  prependToken,
  type TokenDataset,
  truncateTokens,
} from "./token_dataset.ts";

/** A folder of binarised data (or several shards of one) and what its files are named after. */
export interface LanguagePairFolder {
  /** Shards; epoch e trains on shard (e - 1) mod n, all other sets come from the first. */
  folders: readonly string[];
  sourceLang: string;
  targetLang: string;
  sourceDictionary: Dictionary;
  targetDictionary: Dictionary;
}

/**
 * Finds languages and dictionaries of a data folder.
 *
 * @param data path, or several shards joined by colons.
 * @param sourceLang guessed from the names of the files where not given, like targetLang.
 * @throws UserError if a folder or dictionary is missing, or the special symbols differ.
 */
export function openLanguagePairFolder(
  data: string,
  sourceLang?: string,
  targetLang?: string,
): LanguagePairFolder {
  const folders = data.split(":").filter((folder) => folder !== "");
  const [first] = folders;
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory();
  const absent = folders.find((folder) => !isFolder(folder));
  if (first === undefined || absent !== undefined) {
    throw new UserError({
      place: absent ?? "data",
      problem: absent && existsSync(absent) ? "is no folder" : "there is no such folder",
      remedy: "give the folder that weft preprocess wrote (its --destdir), or one of raw text",
    });
  }
  const [source, target] =
    sourceLang && targetLang ? [sourceLang, targetLang] : inferLanguagePair(first);
  const folder: LanguagePairFolder = {
    folders,
    sourceLang: sourceLang ?? source,
    targetLang: targetLang ?? target,
    sourceDictionary: loadDictionary(join(first, `dict.${sourceLang ?? source}.txt`)),
    targetDictionary: loadDictionary(join(first, `dict.${targetLang ?? target}.txt`)),
  };
  const { sourceDictionary: a, targetDictionary: b } = folder;
  if (a.padIndex !== b.padIndex || a.eosIndex !== b.eosIndex || a.unkIndex !== b.unkIndex) {
    throw new UserError({
      place: first,
      problem: "the two dictionaries number pad, eos and unk differently",
      remedy: "build both with the same weft preprocess run",
    });
  }
  return folder;
}

/** Languages in file names SPLIT.SOURCE-TARGET.LANGUAGE.*; the first name in order decides. */
export function inferLanguagePair(folder: string): [source: string, target: string] {
  for (const name of readdirSync(folder).sort()) {
    const parts = name.split(".");
    const [source, target, ...others] = parts[1]?.split("-") ?? [];
    if (parts.length >= 3 && source && target && others.length === 0) return [source, target];
  }
  throw new UserError({
    place: folder,
    problem: "no file is named SPLIT.SOURCE-TARGET.LANGUAGE, so the languages are not known",
    remedy: "name them: --source-lang en --target-lang de",
  });
}

export interface LoadLanguagePairsOptions {
  /** "train", "valid", "valid1", "test", ... */
  split: string;
  /** From 1, of a training set: chooses the shard. Other sets come from the first one. */
  epoch?: number;
  /** Also load SPLIT1, SPLIT2, ... Meant for training. */
  combine?: boolean;
  /** Times the first of several combined sets is repeated; 0 or less is once. */
  upsamplePrimary?: number;
  impl?: DatasetImpl;
  /** Cut sources to this many tokens, eos included (`--truncate-source`). */
  truncateSource?: number;
  prependBos?: boolean;
  /** Put [LANGUAGE] behind both sides (`--append-source-id`). */
  appendSourceId?: boolean;
  loadAlignments?: boolean;
  leftPadSource?: boolean;
  leftPadTarget?: boolean;
  numBuckets?: number;
  padToMultiple?: number;
  /** Whether pairs of equal length are taken in random order; by default all sets but test. */
  shuffle?: boolean;
}

/**
 * Loads one set of sentence pairs: fairseq's load_langpair_dataset.
 *
 * @throws UserError if the set is missing, damaged, or its sides differ in length.
 */
export function loadLanguagePairs(
  folder: LanguagePairFolder,
  options: LoadLanguagePairsOptions,
): LanguagePairDataset {
  const { split, combine = false, impl, truncateSource, prependBos, appendSourceId } = options;
  const { sourceLang, targetLang, sourceDictionary, targetDictionary } = folder;
  const path = shardOf(folder, options.epoch);
  const sources: TokenDataset[] = [];
  const targets: TokenDataset[] = [];
  for (let k = 0; k === 0 || combine; k++) {
    const prefix = findPair(path, k === 0 ? split : `${split}${k}`, sourceLang, targetLang);
    if (prefix === undefined) {
      if (k > 0) break;
      throw missingSplit(path, split, sourceLang, targetLang);
    }
    const source = openDataset(prefix + sourceLang, sourceDictionary, impl);
    const target = openDataset(prefix + targetLang, targetDictionary, impl);
    if (source) sources.push(checkIds(source, sourceDictionary.length, prefix + sourceLang));
    if (target) targets.push(checkIds(target, targetDictionary.length, prefix + targetLang));
    if (source && target) checkBalance(prefix, sourceLang, targetLang, source, target);
  }
  if (targets.length > 0 && targets.length !== sources.length) {
    throw new UserError({
      place: join(path, split),
      problem: `${sources.length} parts have a source, ${targets.length} have a target`,
      remedy: "binarise all parts with both sides",
    });
  }
  const repeats = [Math.max(1, options.upsamplePrimary ?? 1)];
  const joined = (parts: TokenDataset[]): TokenDataset | undefined =>
    parts.length <= 1 ? parts[0] : concatTokens(parts, repeats);

  let source = joined(sources);
  let target = joined(targets);
  if (source === undefined) throw missingSplit(path, split, sourceLang, targetLang);
  if (truncateSource) source = truncateTokens(source, truncateSource, sourceDictionary.eosIndex);
  if (prependBos) {
    source = prependToken(source, sourceDictionary.bosIndex);
    target = target && prependToken(target, targetDictionary.bosIndex);
  }
  let eos: number | undefined;
  if (appendSourceId) {
    source = appendToken(source, sourceDictionary.index(`[${sourceLang}]`));
    eos = targetDictionary.index(`[${targetLang}]`);
    target = target && appendToken(target, eos);
  }
  const alignPrefix = join(path, `${split}.align.${sourceLang}-${targetLang}`);
  return new LanguagePairDataset({
    source,
    sourceDictionary,
    target,
    targetDictionary,
    alignments: options.loadAlignments ? openDataset(alignPrefix) : undefined,
    eos,
    shuffle: options.shuffle ?? split !== "test",
    leftPadSource: options.leftPadSource,
    leftPadTarget: options.leftPadTarget,
    numBuckets: options.numBuckets,
    padToMultiple: options.padToMultiple,
  });
}

function shardOf({ folders }: LanguagePairFolder, epoch = 1): string {
  return folders[(epoch - 1) % folders.length] ?? ".";
}

/** The part of the file names before the language; the pair may be named in either order. */
function findPair(path: string, split: string, source: string, target: string): string | undefined {
  return [`${source}-${target}`, `${target}-${source}`]
    .map((pair) => join(path, `${split}.${pair}.`))
    .find((prefix) => datasetExists(prefix + source));
}

const BINARISED = ["train", "valid", "test"];

function missingSplit(path: string, split: string, source: string, target: string): UserError {
  const kind = split.replace(/\d+$/, "");
  const run = BINARISED.includes(kind)
    ? `run weft preprocess with --${kind}pref, or choose`
    : "choose";
  return new UserError({
    place: path,
    problem: `there is no ${split}.${source}-${target}.${source}.idx, so no set named ${split}`,
    remedy: `${run} another set`,
  });
}

function checkBalance(
  prefix: string,
  sourceLang: string,
  targetLang: string,
  source: TokenDataset,
  target: TokenDataset,
): void {
  if (source.length === target.length) return;
  throw new UserError({
    place: `${prefix}${sourceLang}`,
    problem: `it has ${source.length} sentences, ${prefix}${targetLang} has ${target.length}`,
    remedy: "binarise texts whose lines correspond",
  });
}

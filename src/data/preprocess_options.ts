import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../config/user_error.ts";
import type { DatasetImpl } from "./indexed_dataset.ts";

/** fairseq-preprocess's options, by its names. */
export interface PreprocessOptions {
  sourceLang?: string;
  targetLang?: string;
  /** PREFIX of PREFIX.LANGUAGE. */
  trainpref?: string;
  /** Prefixes joined by commas: valid, valid1, ... */
  validpref?: string;
  testpref?: string;
  /** PREFIX.SUFFIX holds "i-j" pairs of a split. */
  alignSuffix?: string;
  destdir: string;
  thresholdsrc?: number;
  thresholdtgt?: number;
  nwordssrc?: number;
  nwordstgt?: number;
  /** Use this dictionary instead of building one. */
  srcdict?: string;
  tgtdict?: string;
  /** "i-j" pairs of the training text, for alignment.SRC-TGT.txt. */
  alignfile?: string;
  datasetImpl?: DatasetImpl | "huffman";
  joinedDictionary?: boolean;
  onlySource?: boolean;
  paddingFactor?: number;
  /** Threads; the files do not depend on it. */
  workers?: number;
  dictOnly?: boolean;
}

/** One text to binarise. */
export interface TextFile {
  /** "train", "valid", "valid1", ... */
  split: string;
  prefix: string;
}

/** Where input and output files are: fairseq's names. */
export class PreprocessPaths {
  constructor(readonly options: PreprocessOptions) {}

  /** PREFIX.LANGUAGE, or the prefix alone for text without a language. */
  text(prefix: string, lang: string | undefined): string {
    return lang === undefined ? prefix : `${prefix}.${lang}`;
  }

  dictionary(lang: string | undefined): string {
    return join(this.options.destdir, `${this.text("dict", lang)}.txt`);
  }

  /** Prefix of .bin and .idx; `lang` undefined is the alignment of a pair, or text without a language. */
  dataset(split: string, lang: string | undefined): string {
    const { destdir, sourceLang, targetLang, onlySource } = this.options;
    // The target is missing under --only-source; fairseq's files then say None, and weft reads both.
    const pair = `${sourceLang}-${targetLang ?? "None"}`;
    if (lang !== undefined) return join(destdir, `${split}.${pair}.${lang}`);
    return join(destdir, onlySource ? split : `${split}.${pair}`);
  }

  alignmentTable(): string {
    const { destdir, sourceLang, targetLang } = this.options;
    return join(destdir, `alignment.${sourceLang}-${targetLang}.txt`);
  }

  /** The texts of all splits. */
  splits(): TextFile[] {
    const { trainpref, validpref, testpref } = this.options;
    const numbered = (split: string, prefixes: string | undefined): TextFile[] =>
      (prefixes?.split(",") ?? []).map((prefix, k) => ({
        split: k === 0 ? split : `${split}${k}`,
        prefix,
      }));
    return [
      ...(trainpref === undefined ? [] : [{ split: "train", prefix: trainpref }]),
      ...numbered("valid", validpref),
      ...numbered("test", testpref),
    ];
  }
}

/**
 * Refuses options that cannot work, before anything is written.
 *
 * @throws UserError
 */
export function checkPreprocessOptions(options: PreprocessOptions): void {
  const refuse = (place: string, problem: string, remedy: string): never => {
    throw new UserError({ place, problem, remedy });
  };
  const { sourceLang, targetLang, onlySource, srcdict, tgtdict, joinedDictionary } = options;
  const paths = new PreprocessPaths(options);
  if (options.datasetImpl === "huffman") {
    refuse("--dataset-impl", '"huffman" is not written by weft', "choose mmap");
  }
  if (!onlySource && (sourceLang === undefined || targetLang === undefined)) {
    refuse(
      sourceLang === undefined ? "--source-lang" : "--target-lang",
      "it is not given",
      "name both languages, e.g. -s en -t de, or pass --only-source",
    );
  }
  if (joinedDictionary && srcdict && tgtdict) {
    refuse(
      "--joined-dictionary",
      "--srcdict and --tgtdict are both given",
      "give one of them: it serves both sides",
    );
  }
  const given = joinedDictionary ? (srcdict ?? tgtdict) : undefined;
  const builds = [
    { flag: "--srcdict", dict: given ?? srcdict, own: srcdict, lang: sourceLang },
    ...(onlySource
      ? []
      : [{ flag: "--tgtdict", dict: given ?? tgtdict, own: tgtdict, lang: targetLang }]),
  ];
  for (const { flag, dict, own, lang } of builds) {
    if (dict === undefined && options.trainpref === undefined) {
      refuse("--trainpref", "it is not given", `name the training text, or pass ${flag}`);
    }
    if (own === undefined && existsSync(paths.dictionary(lang))) {
      refuse(
        paths.dictionary(lang),
        "the dictionary exists already",
        `choose another --destdir, delete it, or use it with ${flag}`,
      );
    }
  }
  if (options.alignfile !== undefined && options.trainpref === undefined) {
    refuse(
      "--alignfile",
      "--trainpref is not given",
      "name the text that the alignment belongs to",
    );
  }
  for (const { prefix } of paths.splits()) {
    for (const lang of onlySource ? [sourceLang] : [sourceLang, targetLang]) {
      checkText(paths.text(prefix, lang));
    }
  }
}

/** @throws UserError if a text is missing or empty. */
export function checkText(path: string): void {
  const found = existsSync(path) ? statSync(path) : undefined;
  if (!found?.isFile()) {
    throw new UserError({
      place: path,
      problem: found ? "it is not a file" : "there is no such file",
      remedy: "check the path: text files are PREFIX.LANGUAGE, e.g. corpus/train.en",
    });
  }
  if (found.size === 0) {
    throw new UserError({
      place: path,
      problem: "the file is empty",
      remedy: "give a text with a sentence on each line, or leave this one out",
    });
  }
}

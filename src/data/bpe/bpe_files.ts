// Byte-pair encoding from files to files, piece by piece: texts may be larger than memory.
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { UserError } from "../../config/user_error.ts";
import { lineRanges, readRange } from "../line_ranges.ts";
import { splitLines } from "../text_lines.ts";
import { decodeUtf8 } from "../utf8.ts";
import { type LearnBpeOptions, learnBpe } from "./learn_bpe.ts";
import { frequentWords, SubwordNmt, type SubwordNmtOptions } from "./subword_nmt.ts";
import {
  countTextWords,
  formatWordCounts,
  parseWordCounts,
  type WordCounts,
} from "./word_counts.ts";

/** Standard input or output instead of a file. */
export const STANDARD_STREAM = "-";

export interface LearnFilesOptions extends LearnBpeOptions {
  /** Texts learnt from together. */
  inputs: readonly string[];
  output: string;
  /** The inputs are "word count" lines. */
  dictInput?: boolean;
  /** For each input, a file for the counts of its pieces: learn-joint-bpe-and-vocab. */
  vocabularies?: readonly string[];
  separator?: string;
}

/** @throws UserError for files that cannot be read, and for as many vocabularies as are not inputs. */
export function learnBpeFiles(options: LearnFilesOptions): void {
  const { inputs, output, dictInput = false, vocabularies = [], separator } = options;
  if (vocabularies.length > 0 && vocabularies.length !== inputs.length) {
    throw new UserError({
      place: "--write-vocabulary",
      problem: `${vocabularies.length} files are named for ${inputs.length} inputs`,
      remedy: "name one for each input",
    });
  }
  const counts: WordCounts = new Map();
  for (const input of inputs) {
    if (!dictInput) for (const text of textsOf(input)) countTextWords(text, counts);
    else addCounts(counts, parseWordCounts([...textsOf(input)].join(""), input));
  }
  const codes = learnBpe(counts, options);
  write(output, codes);
  const bpe = new SubwordNmt(codes, output, { separator });
  for (const [i, path] of vocabularies.entries()) {
    const pieces: WordCounts = new Map();
    for (const text of textsOf(inputs[i] ?? STANDARD_STREAM)) {
      const lines = splitLines(text).map((line) => `${bpe.processLine(line)}\n`);
      countTextWords(lines.join(""), pieces);
    }
    write(path, formatWordCounts(pieces));
  }
}

export interface ApplyFilesOptions extends Omit<SubwordNmtOptions, "vocabulary"> {
  codes: string;
  input: string;
  output: string;
  /** File of "piece count" lines. */
  vocabulary?: string;
  /** Rarer pieces of the vocabulary do not count as known. */
  vocabularyThreshold?: number;
}

/** @throws UserError for files that cannot be read or are not what they should be. */
export function applyBpeFile(options: ApplyFilesOptions): void {
  const read = (path: string): string => [...textsOf(path)].join("");
  const { codes, input, output, vocabulary, vocabularyThreshold } = options;
  const known =
    vocabulary === undefined
      ? undefined
      : frequentWords(parseWordCounts(read(vocabulary), vocabulary), vocabularyThreshold);
  const bpe = new SubwordNmt(read(codes), codes, { ...options, vocabulary: known });
  const descriptor = output === STANDARD_STREAM ? 1 : openSync(output, "w");
  try {
    for (const text of textsOf(input)) writeAll(descriptor, bpe.processText(text));
  } finally {
    if (descriptor !== 1) closeSync(descriptor);
  }
}

/** The text of a file in parts of whole lines. */
function* textsOf(path: string): Generator<string> {
  if (path === STANDARD_STREAM) {
    yield decodeUtf8(readFileSync(0), "standard input");
    return;
  }
  // readRange() has checked the bytes.
  for (const range of lineRanges(path, 4 << 20)) yield decodeUtf8(readRange(range), path);
}

function addCounts(counts: WordCounts, more: WordCounts): void {
  for (const [word, count] of more) counts.set(word, (counts.get(word) ?? 0) + count);
}

function write(path: string, text: string): void {
  if (path === STANDARD_STREAM) writeAll(1, text);
  else writeFileSync(path, text);
}

function writeAll(descriptor: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

import { splitLines } from "../text_lines.ts";
import { type LearnBpeOptions, learnBpe } from "./learn_bpe.ts";
import { SubwordNmt } from "./subword_nmt.ts";
import { countTextWords, formatWordCounts, type WordCounts } from "./word_counts.ts";

/**
 * One code for several texts, usually the two sides of a corpus, and what each is made of then:
 * subword-nmt's learn-joint-bpe-and-vocab. With the vocabulary of its own side a text is cut only
 * into pieces that its language has (`--vocabulary`).
 *
 * @returns the codes file's text, and a vocabulary file's text for each input.
 */
export function learnJointBpe(
  texts: readonly string[],
  options: LearnBpeOptions & { separator?: string },
): { codes: string; vocabularies: string[] } {
  const counts: WordCounts = new Map();
  for (const text of texts) countTextWords(text, counts);
  const codes = learnBpe(counts, options);
  const bpe = new SubwordNmt(codes, "learnt codes", { separator: options.separator });
  const vocabularies = texts.map((text) => {
    const pieces = splitLines(text).map((line) => `${bpe.processLine(line)}\n`);
    return formatWordCounts(countTextWords(pieces.join("")));
  });
  return { codes, vocabularies };
}

import { UserError } from "../../config/user_error.ts";
import { END_OF_WORD, PairStatistics } from "./pair_statistics.ts";
import type { WordCounts } from "./word_counts.ts";

export interface LearnBpeOptions {
  /** Merges to learn (`-s`). */
  symbols: number;
  /** Stop when no pair is this frequent. */
  minFrequency?: number;
  /** Count single characters among `symbols`, so that fewer merges are learnt. */
  totalSymbols?: boolean;
}

/**
 * Learns byte-pair encoding: the text of a codes file, byte for byte that of subword-nmt 0.3.8.
 *
 * @throws UserError if there is no pair of characters to merge.
 */
export function learnBpe(counts: WordCounts, options: LearnBpeOptions): string {
  const { minFrequency = 2, totalSymbols = false } = options;
  const merges = options.symbols - (totalSymbols ? countCharacters(counts) : 0);
  const statistics = new PairStatistics(counts);
  let best = statistics.best();
  if (!best) {
    throw new UserError({
      place: "bpe learn",
      problem: "no word of the text has two characters",
      remedy: "give a text with words",
    });
  }
  const lines = ["#version: 0.2\n"];
  // Pairs below the threshold are put aside; subword-nmt's numbers, which decide some ties.
  let threshold = best.count / 10;
  for (let i = 0; i < merges; i++) {
    best = statistics.best();
    if (!best || (i > 0 && best.count < threshold)) {
      statistics.prune(threshold);
      statistics.restore();
      best = statistics.best();
      if (!best) break;
      threshold = (best.count * i) / (i + 10000);
      statistics.prune(threshold);
    }
    if (best.count < minFrequency) break;
    lines.push(`${statistics.names(best.pair).join(" ")}\n`);
    statistics.merge(best.pair);
    if (i % 100 === 0) statistics.prune(threshold);
  }
  return lines.join("");
}

/** Different characters inside words, plus different ones at their ends. */
function countCharacters(counts: WordCounts): number {
  const symbols = new Set<string>();
  for (const word of counts.keys()) {
    const characters = [...word];
    symbols.add((characters.pop() ?? "") + END_OF_WORD);
    for (const character of characters) symbols.add(character);
  }
  return symbols.size;
}

import { UserError } from "../../config/user_error.ts";
import { parsePythonInteger } from "../dictionary_text.ts";
import { codecLines } from "./codec_lines.ts";

/** How often each word occurs, in the order of first meeting. */
export type WordCounts = Map<string, number>;

/** Counts the words of a text, cut at spaces alone, adding to `counts`. */
export function countTextWords(text: string, counts: WordCounts = new Map()): WordCounts {
  for (const line of codecLines(text)) {
    for (const word of stripSpaces(line).split(" ")) {
      if (word !== "") counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * Reads "word count" lines: `--dict-input`, or a `--vocabulary`.
 *
 * @throws UserError naming the line that is something else.
 */
export function parseWordCounts(text: string, place: string): WordCounts {
  const counts: WordCounts = new Map();
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const [i, line] of lines.entries()) {
    const [word, field, ...rest] = stripSpaces(line).split(" ");
    const count = parsePythonInteger(field ?? "");
    if (word === undefined || count === undefined || rest.length > 0) {
      throw new UserError({
        place: `${place}:${i + 1}`,
        problem: `${JSON.stringify(line)} is not a word and its count`,
        remedy: 'write "word count" on each line',
      });
    }
    counts.set(word, (counts.get(word) ?? 0) + count);
  }
  return counts;
}

/** "word count" lines by falling count, ties in the order of first meeting. */
export function formatWordCounts(counts: WordCounts): string {
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([word, count]) => `${word} ${count}\n`)
    .join("");
}

/** Python's strip("\r\n "). */
export const stripSpaces = (text: string): string => text.replace(/^[\r\n ]+|[\r\n ]+$/g, "");

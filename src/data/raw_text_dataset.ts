import type { Dictionary } from "./dictionary.ts";
import { readTextLines } from "./text_lines.ts";
import { type TokenDataset, tokenList } from "./token_dataset.ts";

/** Sentences kept as text beside their ids. */
export interface RawTextDataset extends TokenDataset {
  readonly lines: readonly string[];
}

/** A text file, encoded line by line when opened; unknown words become unk. */
export function openRawTextDataset(path: string, dictionary: Dictionary): RawTextDataset {
  const lines = readTextLines(path);
  return { ...tokenList(lines.map((line) => dictionary.encodeLine(line))), lines };
}

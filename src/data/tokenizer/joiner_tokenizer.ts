// Raw text to words that BPE can count, and back without loss: punctuation is split off, and a mark
// (the "joiner") says where there was no space. "Open (or save)." is "Open (￭ or save ￭)￭." inside.

import type { Tokenizer } from "./space_tokenizer.ts";

const JOINER = "￭";

/** Separates punctuation and symbols from words. `joinPunctuation` undoes it. */
export function splitPunctuation(line: string): string {
  return line
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[^\p{L}\p{M}\p{N}\s]/gu, (symbol, at: number, whole: string) => {
      const before = at > 0 && whole[at - 1] !== " ";
      const after = at + symbol.length < whole.length && whole[at + symbol.length] !== " ";
      if (before && after) return ` ${JOINER}${symbol}${JOINER} `;
      if (before) return ` ${JOINER}${symbol}`;
      return after ? `${symbol}${JOINER} ` : symbol;
    })
    .replace(/ +/g, " ")
    .trim();
}

/** The text that `splitPunctuation` was given. */
export const joinPunctuation = (line: string): string =>
  line.replaceAll(` ${JOINER}`, JOINER).replaceAll(`${JOINER} `, JOINER).replaceAll(JOINER, "");

/** `--tokenizer joiner`: punctuation apart from words, and marked so that decoding loses nothing. */
export const joinerTokenizer: Tokenizer = { encode: splitPunctuation, decode: joinPunctuation };

import { formatFixed } from "../score/python_format.ts";
import type { SpecialTokens } from "./hypothesis.ts";

/** A target word and the source word it attends to most, counted from 0 without padding and eos. */
export type AlignedPair = readonly [source: number, target: number];

/** Attention of one sentence pair. */
export interface AttendedPair {
  /** (S) source tokens, padded or not. */
  readonly source: ArrayLike<number>;
  /** (T) target tokens, padded or not. */
  readonly target: ArrayLike<number>;
  /** (T, S) */
  readonly attention: Float32Array;
}

type Special = Pick<SpecialTokens, "pad" | "eos">;

/**
 * For every target word the source position it attends to most, as positions in the padded source
 * of all T targets; -1 for padding and eos, and for all if the source has no word. Ties: the first.
 */
export function alignedSources(pair: AttendedPair, { pad, eos }: Special): Int32Array {
  const { source, target, attention } = pair;
  const isWord = (token: number) => token !== pad && token !== eos;
  const result = new Int32Array(target.length).fill(-1);
  for (let t = 0; t < target.length; t++) {
    if (!isWord(target[t])) continue;
    let best = Number.NEGATIVE_INFINITY;
    for (let s = 0; s < source.length; s++) {
      const weight = attention[t * source.length + s];
      if (isWord(source[s]) && (weight > best || result[t] < 0)) {
        best = weight;
        result[t] = s;
      }
    }
  }
  return result;
}

/** `--print-alignment hard`. */
export function hardAlignment(pair: AttendedPair, special: Special): AlignedPair[] {
  const sourceWords = wordNumbers(pair.source, special);
  const targetWords = wordNumbers(pair.target, special);
  const pairs: AlignedPair[] = [];
  for (const [t, s] of alignedSources(pair, special).entries()) {
    if (s >= 0) pairs.push([sourceWords[s], targetWords[t]]);
  }
  return pairs;
}

/** `--print-alignment soft`: for every target token, eos too, its attention over the source, eos too. */
export function softAlignment(pair: AttendedPair, { pad }: Special): string[][] {
  const { source, target, attention } = pair;
  const rows: string[][] = [];
  for (let t = 0; t < target.length; t++) {
    if (target[t] === pad) continue;
    const row: string[] = [];
    for (let s = 0; s < source.length; s++) {
      if (source[s] !== pad) row.push(formatFixed(attention[t * source.length + s], 6));
    }
    rows.push(row);
  }
  return rows;
}

/** Each token's number among the tokens that are words. */
function wordNumbers(tokens: ArrayLike<number>, { pad, eos }: Special): Int32Array {
  const numbers = new Int32Array(tokens.length);
  let words = 0;
  for (let i = 0; i < tokens.length; i++) {
    numbers[i] = words;
    if (tokens[i] !== pad && tokens[i] !== eos) words++;
  }
  return numbers;
}

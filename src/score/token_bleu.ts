import { formatFixed } from "./python_format.ts";
import type { Scorer, Segment } from "./scorer.ts";
import { WordIds } from "./word_ids.ts";

/** Ids that BLEU over tokens treats specially. */
export interface TokenBleuSymbols {
  readonly pad: number;
  readonly eos: number;
  readonly unk: number;
}

/** Counts over a corpus, order n at index n - 1. */
export interface TokenBleuCounts {
  referenceLength: number;
  hypothesisLength: number;
  readonly matches: number[];
  readonly totals: number[];
}

const ORDERS = 4;
/** Unknown words in a reference: no hypothesis can match them. */
const UNMATCHABLE = -999;

/**
 * fairseq's BLEU over token ids (its libbleu): clipped n-gram matches of orders 1 to 4, one reference, no
 * smoothing. Padding is trimmed in front, padding and eos behind, but the first token always stays, so an
 * empty hypothesis has length 1.
 */
export class TokenBleu implements Scorer {
  readonly counts: TokenBleuCounts;
  private readonly symbols: TokenBleuSymbols;
  private readonly words: WordIds;
  private readonly order: number;

  /**
   * @param smoothed starts orders 2 to 4 at 1 of 1, fairseq's form for single sentences.
   * @param order of `result` and `score`, 1 to 4.
   */
  constructor({
    symbols = { pad: 1, eos: 2, unk: 3 },
    smoothed = false,
    order = ORDERS,
    words = new WordIds(),
  }: { symbols?: TokenBleuSymbols; smoothed?: boolean; order?: number; words?: WordIds } = {}) {
    this.symbols = symbols;
    this.words = words;
    this.order = order;
    const start = Array.from({ length: ORDERS }, (_, i) => (smoothed && i > 0 ? 1 : 0));
    this.counts = { referenceLength: 0, hypothesisLength: 0, matches: [...start], totals: start };
  }

  /** Segments without tokens are compared by their words, which this scorer numbers itself. */
  add(reference: Segment, hypothesis: Segment): void {
    const predicted = hypothesis.tokens ?? this.words.encode(hypothesis.text);
    this.addTokens(reference.tokens ?? this.words.encode(reference.text), predicted);
  }

  addTokens(reference: ArrayLike<number>, hypothesis: ArrayLike<number>): void {
    const { unk } = this.symbols;
    const wanted = this.trim(reference).map((token) => (token === unk ? UNMATCHABLE : token));
    const found = this.trim(hypothesis);
    this.counts.referenceLength += wanted.length;
    this.counts.hypothesisLength += found.length;
    for (let n = 1; n <= ORDERS; n++) {
      this.counts.totals[n - 1] += Math.max(0, found.length - n + 1);
      this.counts.matches[n - 1] += clippedMatches(wanted, found, n);
    }
  }

  private trim(tokens: ArrayLike<number>): number[] {
    const { pad, eos } = this.symbols;
    let start = 0;
    while (start < tokens.length && tokens[start] === pad) start++;
    let end = tokens.length;
    while (end > start + 1 && (tokens[end - 1] === eos || tokens[end - 1] === pad)) end--;
    return Array.from(tokens).slice(start, end);
  }

  /** Share of matching n-grams by order, 0 to 1; 0 of 0 counts as 0. */
  precisions(): number[] {
    return this.counts.matches.map((matches, i) => quotient(matches, this.counts.totals[i]));
  }

  brevityPenalty(): number {
    const { referenceLength, hypothesisLength } = this.counts;
    return Math.min(1, Math.exp(1 - referenceLength / hypothesisLength));
  }

  score(order = this.order): number {
    const logs = this.precisions().slice(0, order).map(Math.log);
    const mean = logs.reduce((sum, log) => sum + log, 0) / order;
    return this.brevityPenalty() * Math.exp(mean) * 100 || 0; // nothing added: 0, not NaN
  }

  /** "BLEU4 = 40.83, 67.5/46.9/34.4/25.5 (BP=1.000, ratio=1.006, syslen=83262, reflen=82787)" */
  result(order = this.order): string {
    const { referenceLength, hypothesisLength } = this.counts;
    const percent = this.precisions()
      .slice(0, order)
      .map((precision) => formatFixed(precision * 100, 1));
    const penalty = formatFixed(this.brevityPenalty() || 0, 3);
    const ratio = formatFixed(quotient(hypothesisLength, referenceLength), 3);
    return (
      `BLEU${order} = ${formatFixed(this.score(order), 2)}, ${percent.join("/")} ` +
      `(BP=${penalty}, ratio=${ratio}, syslen=${hypothesisLength}, reflen=${referenceLength})`
    );
  }
}

const quotient = (a: number, b: number): number => (b > 0 ? a / b : 0);

/**
 * n-grams of the hypothesis that the reference has too, each at most as often as it has it. Counted exactly:
 * fairseq's libbleu hashes them over signed bytes, where some ids collide, so on random text its score may
 * differ in the second decimal.
 */
function clippedMatches(
  reference: readonly number[],
  hypothesis: readonly number[],
  n: number,
): number {
  const left = new Map<string, number>();
  for (let i = 0; i + n <= reference.length; i++) {
    const gram = reference.slice(i, i + n).join(" ");
    left.set(gram, (left.get(gram) ?? 0) + 1);
  }
  let matches = 0;
  for (let i = 0; i + n <= hypothesis.length; i++) {
    const gram = hypothesis.slice(i, i + n).join(" ");
    const count = left.get(gram) ?? 0;
    if (count === 0) continue;
    left.set(gram, count - 1);
    matches++;
  }
  return matches;
}

import { UserError } from "../config/user_error.ts";
import { stripEnd, tokenizeLine } from "../data/white_space.ts";
import { commonNgrams, countNgrams, type NgramCounts, totalNgrams } from "./ngram_counts.ts";
import { formatFixed } from "./python_format.ts";
import { caseField, referencesField, signature } from "./signature.ts";
import { type BleuTokenizer, tokenizers } from "./tokenizers.ts";

export type BleuSmoothing = "exp" | "floor" | "add-k" | "none";

export interface BleuOptions {
  readonly tokenize: BleuTokenizer;
  readonly lowercase: boolean;
  readonly smoothing: BleuSmoothing;
  /** For floor (default 0.1) and add-k (default 1). */
  readonly smoothingValue: number | undefined;
  readonly maxOrder: number;
  /** Leave out orders that the hypothesis is too short for; meant for single sentences. */
  readonly effectiveOrder: boolean;
  /** Do not look whether the text was tokenised already. */
  readonly force: boolean;
}

export const defaultBleuOptions: BleuOptions = {
  tokenize: "13a",
  lowercase: false,
  smoothing: "exp",
  smoothingValue: undefined,
  maxOrder: 4,
  effectiveOrder: false,
  force: false,
};

/** BLEU of a corpus or sentence; orders at index n - 1, precisions in percent. */
export interface BleuScore {
  readonly score: number;
  readonly counts: readonly number[];
  readonly totals: readonly number[];
  readonly precisions: readonly number[];
  readonly brevityPenalty: number;
  readonly hypothesisLength: number;
  readonly referenceLength: number;
}

/** What a segment adds to a corpus. */
interface SegmentCounts {
  readonly hypothesisLength: number;
  readonly referenceLength: number;
  readonly matches: readonly number[];
  readonly totals: readonly number[];
}

const smoothingDefaults: Record<BleuSmoothing, number | undefined> = {
  exp: undefined,
  floor: 0.1,
  "add-k": 1,
  none: undefined,
};

/** sacreBLEU's BLEU (Post 2018), by the definition of version 2.4.3. */
export class SacreBleu {
  readonly options: BleuOptions;
  private readonly segments: SegmentCounts[] = [];
  private readonly referenceCounts = new Set<number>();
  private tokenizedEnds = 0;

  constructor(options: Partial<BleuOptions> = {}) {
    this.options = { ...defaultBleuOptions, ...options };
  }

  /** @param references at least one; empty or undefined ones beside others are not there. */
  add(hypothesis: string, references: readonly (string | undefined)[]): void {
    const present = references.filter((reference) => reference !== undefined && reference !== "");
    // A sentence whose only references are empty is compared with the empty line.
    const used = present.length > 0 ? present : [""];
    this.referenceCounts.add(used.length);
    if (stripEnd(hypothesis).endsWith(" .")) this.tokenizedEnds++;
    this.segments.push(this.count(hypothesis, used as string[]));
  }

  /** True when a hundred hypotheses end in a period that stands alone: they should be detokenised first. */
  get looksTokenized(): boolean {
    const { force, tokenize } = this.options;
    return !force && tokenize !== "none" && this.tokenizedEnds >= 100;
  }

  /** The corpus so far. */
  score(): BleuScore {
    return this.combine(this.segments, this.options.effectiveOrder);
  }

  /** One sentence by itself, with effective order as sacreBLEU's command does. */
  sentenceScore(hypothesis: string, references: readonly string[]): BleuScore {
    return this.combine([this.count(hypothesis, references)], true);
  }

  /** "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.4.3" */
  signature({ short = false, sentence = false } = {}): string {
    const { lowercase, effectiveOrder, tokenize, smoothing } = this.options;
    const value = this.smoothingValue();
    const amount = value === undefined ? "" : `[${formatFixed(value, 2)}]`;
    return signature(
      [
        referencesField(this.referenceCounts),
        caseField(lowercase),
        ["eff", "e", effectiveOrder || sentence ? "yes" : "no"],
        ["tok", "tok", tokenize],
        ["smooth", "s", `${smoothing}${amount}`],
      ],
      short,
    );
  }

  private smoothingValue(): number | undefined {
    const { smoothing, smoothingValue } = this.options;
    const fallback = smoothingDefaults[smoothing];
    return fallback === undefined ? undefined : (smoothingValue ?? fallback);
  }

  private tokens(line: string): string[] {
    const { lowercase, tokenize } = this.options;
    const text = stripEnd(lowercase ? line.toLowerCase() : line);
    return tokenizeLine(tokenizers[tokenize](text));
  }

  private count(hypothesis: string, references: readonly string[]): SegmentCounts {
    const words = this.tokens(hypothesis);
    const wanted = references.map((reference) => this.tokens(reference));
    const matches: number[] = [];
    const totals: number[] = [];
    for (let n = 1; n <= this.options.maxOrder; n++) {
      const found = countNgrams(words, n);
      const best: NgramCounts = new Map();
      for (const reference of wanted) {
        for (const [gram, count] of countNgrams(reference, n)) {
          best.set(gram, Math.max(count, best.get(gram) ?? 0));
        }
      }
      matches.push(commonNgrams(found, best));
      totals.push(totalNgrams(found));
    }
    const lengths = wanted.map((reference) => reference.length);
    const referenceLength = closest(lengths, words.length);
    return { hypothesisLength: words.length, referenceLength, matches, totals };
  }

  private combine(segments: readonly SegmentCounts[], effectiveOrder: boolean): BleuScore {
    const { maxOrder } = this.options;
    const sum = (value: (segment: SegmentCounts) => number) =>
      segments.reduce((total, segment) => total + value(segment), 0);
    const orders = Array.from({ length: maxOrder }, (_, i) => i);
    const hypothesisLength = sum((segment) => segment.hypothesisLength);
    const referenceLength = sum((segment) => segment.referenceLength);
    const counts = orders.map((i) => sum((segment) => segment.matches[i]));
    const totals = orders.map((i) => sum((segment) => segment.totals[i]));
    const brevityPenalty = brevity(hypothesisLength, referenceLength);
    const precisions = orders.map(() => 0);
    const lengths = { hypothesisLength, referenceLength, brevityPenalty };
    if (!counts.some((count) => count > 0)) {
      return { score: 0, counts, totals, precisions, ...lengths };
    }
    const order = this.smooth(counts, totals, precisions, effectiveOrder);
    const logs = precisions.slice(0, order).map((p) => (p === 0 ? NO_PRECISION : Math.log(p)));
    const score = brevityPenalty * Math.exp(logs.reduce((a, b) => a + b, 0) / order);
    return { score, counts, totals, precisions, ...lengths };
  }

  /** Fills `precisions`, changing the counts where smoothing adds to them; returns the orders that count. */
  private smooth(
    counts: number[],
    totals: number[],
    precisions: number[],
    effectiveOrder: boolean,
  ): number {
    const { smoothing, maxOrder } = this.options;
    const value = this.smoothingValue() ?? 0;
    let order = maxOrder;
    let halving = 1;
    for (let i = 0; i < maxOrder; i++) {
      if (smoothing === "add-k" && i > 0) {
        counts[i] += value;
        totals[i] += value;
      }
      if (totals[i] === 0) break;
      if (effectiveOrder) order = i + 1;
      if (counts[i] > 0) precisions[i] = (100 * counts[i]) / totals[i];
      else if (smoothing === "exp") {
        halving *= 2;
        precisions[i] = 100 / (halving * totals[i]);
      } else if (smoothing === "floor") precisions[i] = (100 * value) / totals[i];
    }
    return order;
  }
}

/** sacreBLEU's logarithm of a precision of 0. */
const NO_PRECISION = -9999999999;

function brevity(hypothesisLength: number, referenceLength: number): number {
  if (hypothesisLength >= referenceLength) return 1;
  return hypothesisLength > 0 ? Math.exp(1 - referenceLength / hypothesisLength) : 0;
}

/** The length nearest to `length`; of two as near, the shorter. */
function closest(lengths: readonly number[], length: number): number {
  const distance = (a: number) => Math.abs(a - length);
  return lengths.reduce((best, other) =>
    distance(other) < distance(best) || (distance(other) === distance(best) && other < best)
      ? other
      : best,
  );
}

/** "BLEU = 48.19 87.2/62.8/45.3/31.4 (BP = 0.912 ratio = 0.916 hyp_len = 141 ref_len = 154)" */
export function formatBleu(bleu: BleuScore, digits = 2): string {
  const { hypothesisLength, referenceLength, precisions } = bleu;
  const ratio = referenceLength > 0 ? hypothesisLength / referenceLength : 0;
  return (
    `BLEU = ${formatFixed(bleu.score, digits)} ` +
    `${precisions.map((precision) => formatFixed(precision, 1)).join("/")} ` +
    `(BP = ${formatFixed(bleu.brevityPenalty, 3)} ratio = ${formatFixed(ratio, 3)} ` +
    `hyp_len = ${hypothesisLength} ref_len = ${referenceLength})`
  );
}

/** @throws UserError unless the name is one of the tokenisers. */
export function requireTokenizer(name: string): BleuTokenizer {
  if (Object.hasOwn(tokenizers, name)) return name as BleuTokenizer;
  throw new UserError({
    place: "--sacrebleu-tokenizer",
    problem: `${JSON.stringify(name)} is not a tokeniser`,
    remedy: `use one of ${Object.keys(tokenizers).join(", ")}`,
  });
}

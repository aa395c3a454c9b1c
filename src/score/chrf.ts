import { tokenizeLine } from "../data/white_space.ts";
import { commonNgrams, countNgrams, type NgramCounts, totalNgrams } from "./ngram_counts.ts";
import { formatFixed } from "./python_format.ts";
import { caseField, referencesField, signature } from "./signature.ts";

export interface ChrfOptions {
  readonly charOrder: number;
  /** 0 is chrF, 2 is chrF++. */
  readonly wordOrder: number;
  /** How much more recall weighs than precision. */
  readonly beta: number;
  readonly lowercase: boolean;
  /** Count white space as characters. */
  readonly whitespace: boolean;
  /** Average the F-scores of all orders, missing ones included, as chrF++.py did. */
  readonly epsSmoothing: boolean;
}

export const defaultChrfOptions: ChrfOptions = {
  charOrder: 6,
  wordOrder: 0,
  beta: 2,
  lowercase: false,
  whitespace: false,
  epsSmoothing: false,
};

/** Per order, character orders first: n-grams of hypothesis and reference, and how many match. */
type Statistics = { hypothesis: number; reference: number; match: number }[];

const EPSILON = 1e-16;

/** chrF (Popović 2015, 2017) by the definition of sacreBLEU 2.4.3. */
export class Chrf {
  readonly options: ChrfOptions;
  private readonly total: Statistics;
  private readonly referenceCounts = new Set<number>();

  constructor(options: Partial<ChrfOptions> = {}) {
    this.options = { ...defaultChrfOptions, ...options };
    const orders = this.options.charOrder + this.options.wordOrder;
    this.total = Array.from({ length: orders }, () => ({ hypothesis: 0, reference: 0, match: 0 }));
  }

  /** "chrF2", "chrF2++" */
  get name(): string {
    return `chrF${this.options.beta}${"+".repeat(this.options.wordOrder)}`;
  }

  /** @param references as for `SacreBleu.add`. */
  add(hypothesis: string, references: readonly (string | undefined)[]): void {
    const present = references.filter((reference) => reference !== undefined && reference !== "");
    const used = (present.length > 0 ? present : [""]) as string[];
    this.referenceCounts.add(used.length);
    for (const [i, { hypothesis: h, reference, match }] of this.best(hypothesis, used).entries()) {
      this.total[i].hypothesis += h;
      this.total[i].reference += reference;
      this.total[i].match += match;
    }
  }

  /** 0 to 100. */
  score(): number {
    return this.fScore(this.total);
  }

  sentenceScore(hypothesis: string, references: readonly string[]): number {
    return this.fScore(this.best(hypothesis, references));
  }

  /** "chrF2 = 72.44" */
  format(score = this.score(), digits = 2): string {
    return `${this.name} = ${formatFixed(score, digits)}`;
  }

  /** "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.4.3" */
  signature({ short = false } = {}): string {
    const { lowercase, epsSmoothing, charOrder, wordOrder, whitespace } = this.options;
    return signature(
      [
        referencesField(this.referenceCounts),
        caseField(lowercase),
        ["eff", "e", epsSmoothing ? "no" : "yes"],
        ["nc", "nc", String(charOrder)],
        ["nw", "nw", String(wordOrder)],
        ["space", "s", whitespace ? "yes" : "no"],
      ],
      short,
    );
  }

  /** Statistics against the reference with the best F-score, the first of equals. */
  private best(hypothesis: string, references: readonly string[]): Statistics {
    const ours = this.ngrams(hypothesis);
    let best: Statistics = [];
    let bestScore = -1;
    for (const reference of references) {
      const statistics = this.ngrams(reference).map((theirs, i) => compare(ours[i], theirs));
      const score = this.fScore(statistics);
      if (score > bestScore) {
        bestScore = score;
        best = statistics;
      }
    }
    return best;
  }

  private ngrams(line: string): NgramCounts[] {
    const { lowercase, whitespace, charOrder, wordOrder } = this.options;
    const text = lowercase ? line.toLowerCase() : line;
    const characters = [...(whitespace ? text : tokenizeLine(text).join(""))];
    const counts: NgramCounts[] = [];
    for (let n = 1; n <= charOrder; n++) counts.push(countCharacterNgrams(characters, n));
    const words = wordOrder > 0 ? splitPunctuation(text) : [];
    for (let n = 1; n <= wordOrder; n++) counts.push(countNgrams(words, n));
    return counts;
  }

  private fScore(statistics: Statistics): number {
    const { beta, epsSmoothing } = this.options;
    const factor = beta ** 2;
    let sum = 0;
    let precisions = 0;
    let recalls = 0;
    let orders = 0;
    for (const { hypothesis, reference, match } of statistics) {
      const precision = hypothesis > 0 ? match / hypothesis : EPSILON;
      const recall = reference > 0 ? match / reference : EPSILON;
      const weight = factor * precision + recall;
      sum += weight > 0 ? ((1 + factor) * precision * recall) / weight : EPSILON;
      if (hypothesis > 0 && reference > 0) {
        precisions += precision;
        recalls += recall;
        orders++;
      }
    }
    if (epsSmoothing) return (100 * sum) / statistics.length;
    if (orders === 0) return 0;
    const precision = precisions / orders;
    const recall = recalls / orders;
    if (precision + recall === 0) return 0;
    return 100 * (((1 + factor) * precision * recall) / (factor * precision + recall));
  }
}

/** Items may be spaces here, so characters are joined by nothing; within one order that is unambiguous. */
function countCharacterNgrams(characters: readonly string[], n: number): NgramCounts {
  const counts: NgramCounts = new Map();
  for (let i = 0; i + n <= characters.length; i++) {
    const gram = characters.slice(i, i + n).join("");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

function compare(hypothesis: NgramCounts, reference: NgramCounts): Statistics[number] {
  return {
    // Where the reference has none of this order, the hypothesis' do not count against it.
    hypothesis: reference.size > 0 ? totalNgrams(hypothesis) : 0,
    reference: totalNgrams(reference),
    match: commonNgrams(hypothesis, reference),
  };
}

const asciiPunctuation = new Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");

/** Words with one punctuation mark cut off: the last character, or else the first. */
function splitPunctuation(line: string): string[] {
  return tokenizeLine(line).flatMap((word) => {
    const characters = [...word];
    if (characters.length === 1) return [word];
    const last = characters[characters.length - 1];
    if (asciiPunctuation.has(last)) return [characters.slice(0, -1).join(""), last];
    if (asciiPunctuation.has(characters[0])) return [characters[0], characters.slice(1).join("")];
    return [word];
  });
}

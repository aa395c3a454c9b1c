import { tokenizeLine } from "../data/white_space.ts";
import { type EvaluationText, evaluationText } from "./evaluation_text.ts";
import { formatFixed } from "./python_format.ts";
import type { Scorer, Segment } from "./scorer.ts";

/** fairseq's `wer`: word edits per hundred reference words over the corpus. */
export class WordErrorRate implements Scorer {
  /** Insertions, deletions and substitutions so far. */
  distance = 0;
  /** Reference words so far. */
  length = 0;

  constructor(private readonly settings: EvaluationText = { tokenizer: "none" }) {}

  add(reference: Segment, hypothesis: Segment): void {
    const words = ({ text }: Segment) => tokenizeLine(evaluationText(text, this.settings));
    const wanted = words(reference);
    this.distance += editDistance(wanted, words(hypothesis));
    this.length += wanted.length;
  }

  score(): number {
    return this.length > 0 ? (100 * this.distance) / this.length : 0;
  }

  result(): string {
    return `WER: ${formatFixed(this.score(), 2)}`;
  }
}

/** Fewest insertions, deletions and substitutions that turn one list into the other. */
export function editDistance(a: readonly string[], b: readonly string[]): number {
  let previous = Uint32Array.from({ length: b.length + 1 }, (_, j) => j);
  let current = new Uint32Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    current[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      current[j] = Math.min(replaced, previous[j] + 1, current[j - 1] + 1);
    }
    [previous, current] = [current, previous];
  }
  return previous[b.length];
}

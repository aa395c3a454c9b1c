import { TopK } from "../top_k.ts";
import { BeamSearch } from "./beam.ts";
import {
  type Candidates,
  type Search,
  type SearchStart,
  type SearchStep,
  type SearchStrategy,
  writeCandidates,
} from "./strategy.ts";

/**
 * Diverse decoding by sibling rank (Li et al. 2016): after the first step, the r-th best continuation of
 * a row (r from 1) costs `rate` * r. The cost stays in the score.
 */
export function diverseSiblingSearch(rate: number): SearchStrategy {
  return {
    name: "diversity_rate",
    begin: (start) => new DiverseSiblingSearch(start, rate),
  };
}

class DiverseSiblingSearch implements Search {
  readonly width: number;
  private readonly first: BeamSearch;
  private readonly siblings: TopK;
  private readonly best: TopK;

  constructor(
    private readonly start: SearchStart,
    private readonly rate: number,
  ) {
    this.first = new BeamSearch(start);
    this.width = this.first.width;
    this.siblings = new TopK(Math.min(this.width, start.vocabulary));
    this.best = new TopK(this.width);
  }

  choose(input: SearchStep, out: Candidates): void {
    if (input.step === 0) {
      this.first.choose(input, out);
      return;
    }
    const { start, rate, siblings, best } = this;
    const { beam, vocabulary, pad } = start;
    for (let sentence = 0; sentence < input.sentences; sentence++) {
      best.reset();
      for (let slot = 0; slot < beam; slot++) {
        const row = sentence * beam + slot;
        const from = row * vocabulary;
        siblings.reset();
        siblings.scan(
          input.logProbs,
          from,
          from + vocabulary,
          input.scores[row],
          slot * vocabulary,
        );
        for (let rank = 0; rank < siblings.size; rank++) {
          const cost = Math.fround(rate * (rank + 1));
          best.offer(Math.fround(siblings.scores[rank] - cost), siblings.indices[rank]);
        }
      }
      writeCandidates(out, sentence, best, vocabulary, pad);
    }
  }
}

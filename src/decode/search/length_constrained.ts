import { BeamSearch } from "./beam.ts";
import type { Candidates, Search, SearchStart, SearchStep, SearchStrategy } from "./strategy.ts";

/** Lengths in tokens before eos, as a * source length + b. */
export interface LengthRange {
  readonly minLenA: number;
  readonly minLenB: number;
  readonly maxLenA: number;
  readonly maxLenB: number;
}

/** Exactly the source's length: what fairseq's --match-source-len asks for. */
const sourceLength: LengthRange = { minLenA: 1, minLenB: 0, maxLenA: 1, maxLenB: 0 };

/**
 * Beam search for outputs about as long as their source: below the least length a sentence may not end,
 * and from the greatest on ending costs nothing (log-probability 0; other tokens stay possible, as in
 * fairseq).
 */
export function lengthConstrainedSearch(range: LengthRange = sourceLength): SearchStrategy {
  return {
    name: "length_constrained",
    begin: (start) => new LengthConstrainedSearch(start, range),
  };
}

class LengthConstrainedSearch implements Search {
  readonly width: number;
  private readonly inner: BeamSearch;

  constructor(
    private readonly start: SearchStart,
    private readonly range: LengthRange,
  ) {
    this.inner = new BeamSearch(start);
    this.width = this.inner.width;
  }

  choose(input: SearchStep, out: Candidates): void {
    const { beam, vocabulary, eos, sourceLengths } = this.start;
    const { minLenA, minLenB, maxLenA, maxLenB } = this.range;
    const { step, live, logProbs } = input;
    for (let row = 0; row < live.length * beam; row++) {
      const length = sourceLengths[live[Math.trunc(row / beam)]];
      const end = row * vocabulary + eos;
      if (step < minLenA * length + minLenB) logProbs[end] = Number.NEGATIVE_INFINITY;
      if (step >= maxLenA * length + maxLenB) logProbs[end] = 0;
    }
    this.inner.choose(input, out);
  }
}

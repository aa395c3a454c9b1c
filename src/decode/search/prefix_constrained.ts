import { BeamSearch } from "./beam.ts";
import type { Candidates, Search, SearchStart, SearchStep, SearchStrategy } from "./strategy.ts";

/** The tokens that may follow `tokens` (from the start token on) in sentence `id`. */
export type AllowedTokens = (id: number, tokens: Int32Array) => readonly number[];

/**
 * Beam search in which a callback names the tokens allowed next. It takes `beam` candidates, not twice
 * as many, as in fairseq; so a hypothesis that ended may be continued if the callback allows tokens
 * after eos.
 */
export function prefixConstrainedSearch(allowed: AllowedTokens): SearchStrategy {
  return {
    name: "prefix_constrained",
    begin: (start) => new PrefixConstrainedSearch(start, allowed),
  };
}

class PrefixConstrainedSearch implements Search {
  readonly width: number;
  private readonly inner: BeamSearch;
  private readonly kept: Float32Array;

  constructor(
    private readonly start: SearchStart,
    private readonly allowed: AllowedTokens,
  ) {
    this.inner = new BeamSearch(start, 1);
    this.width = this.inner.width;
    this.kept = new Float32Array(start.vocabulary);
  }

  choose(input: SearchStep, out: Candidates): void {
    const { beam, vocabulary, ids } = this.start;
    const { live, logProbs } = input;
    for (let row = 0; row < live.length * beam; row++) {
      const id = ids[live[Math.trunc(row / beam)]];
      const line = logProbs.subarray(row * vocabulary, (row + 1) * vocabulary);
      this.kept.fill(Number.NEGATIVE_INFINITY);
      for (const token of this.allowed(id, input.tokensOf(row))) this.kept[token] = line[token];
      line.set(this.kept);
    }
    this.inner.choose(input, out);
  }
}

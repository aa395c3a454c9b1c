import type { RowCandidates } from "../step_decoder.ts";
import { TopK } from "../top_k.ts";
import {
  type Candidates,
  type Search,
  type SearchStart,
  type SearchStep,
  type SearchStrategy,
  writeCandidates,
} from "./strategy.ts";

/**
 * Beam search: the 2 * beam best continuations of a sentence over all its rows, so that `beam` are
 * left even when every row's best is the end of the sentence. At step 0 all rows are the same, and
 * only the first counts.
 */
export const beamSearch: SearchStrategy = {
  name: "beam",
  begin: (start) => new BeamSearch(start),
};

export class BeamSearch implements Search {
  readonly width: number;
  private readonly best: TopK;

  /** @param perSlot candidates per slot. */
  constructor(
    private readonly start: SearchStart,
    perSlot = 2,
  ) {
    this.width = perSlot * start.beam;
    this.best = new TopK(this.width);
  }

  choose({ step, sentences, logProbs, scores }: SearchStep, out: Candidates): void {
    const { beam, vocabulary, pad } = this.start;
    const { best } = this;
    const slots = step === 0 ? 1 : beam;
    for (let sentence = 0; sentence < sentences; sentence++) {
      // One fewer than there are, as fairseq does: something, padding, is always left out.
      best.reset(Math.min(this.width, slots * vocabulary - 1));
      for (let slot = 0; slot < slots; slot++) {
        const row = sentence * beam + slot;
        const from = row * vocabulary;
        best.scan(logProbs, from, from + vocabulary, scores[row], slot * vocabulary);
      }
      writeCandidates(out, sentence, best, vocabulary, pad);
    }
  }

  chooseFromRows(step: number, sentences: number, rows: RowCandidates, out: Candidates): void {
    const { beam, vocabulary, pad } = this.start;
    const { best, width } = this;
    const slots = step === 0 ? 1 : beam;
    for (let sentence = 0; sentence < sentences; sentence++) {
      best.reset(Math.min(width, slots * vocabulary - 1));
      for (let slot = 0; slot < slots; slot++) {
        const from = (sentence * beam + slot) * width;
        for (let i = from; i < from + width; i++) {
          best.offer(rows.scores[i], slot * vocabulary + rows.tokens[i]);
        }
      }
      writeCandidates(out, sentence, best, vocabulary, pad);
    }
  }
}

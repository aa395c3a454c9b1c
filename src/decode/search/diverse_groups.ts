import { UserError } from "../../config/user_error.ts";
import { TopK } from "../top_k.ts";
import type { Candidates, Search, SearchStart, SearchStep, SearchStrategy } from "./strategy.ts";

/**
 * Diverse beam search (Vijayakumar et al. 2016, with Hamming diversity, as fairseq 0.12): the slots are
 * dealt to `groups` searches; a token costs each group `strength` for every time an earlier group made
 * it a candidate at this step. The cost stays in the score. Groups are interleaved: slot mod groups.
 *
 * @throws UserError when a search begins, if the beam is not a multiple of `groups`.
 */
export function diverseGroupSearch(groups: number, strength: number): SearchStrategy {
  return {
    name: "diverse_beam_groups",
    begin(start) {
      if (start.beam % groups === 0) return new DiverseGroupSearch(start, groups, strength);
      throw new UserError({
        place: "--diverse-beam-groups",
        problem: `a beam of ${start.beam} cannot be dealt to ${groups} groups evenly`,
        remedy: "choose --beam as a multiple of --diverse-beam-groups",
      });
    },
  };
}

class DiverseGroupSearch implements Search {
  readonly width: number;
  private readonly best: TopK;
  /** (V) how often earlier groups chose each token at this step. */
  private readonly counts: Float32Array;
  private readonly counted: number[] = [];

  constructor(
    private readonly start: SearchStart,
    private readonly groups: number,
    private readonly strength: number,
  ) {
    this.width = 2 * start.beam;
    this.best = new TopK(this.width / groups);
    this.counts = new Float32Array(start.vocabulary);
  }

  choose(input: SearchStep, out: Candidates): void {
    for (let sentence = 0; sentence < input.sentences; sentence++) {
      for (let group = 0; group < this.groups; group++) {
        this.chooseGroup(input, sentence, group, out);
      }
      for (const token of this.counted) this.counts[token] = 0;
      this.counted.length = 0;
    }
  }

  private chooseGroup(input: SearchStep, sentence: number, group: number, out: Candidates): void {
    const { start, groups, best, counts, counted, width } = this;
    const { beam, vocabulary, pad } = start;
    const slots = input.step === 0 ? 1 : beam / groups;
    best.reset(Math.min(best.capacity, slots * vocabulary - 1));
    for (let slot = 0; slot < slots; slot++) {
      const row = sentence * beam + slot * groups + group;
      const from = row * vocabulary;
      for (const token of counted) {
        input.logProbs[from + token] -= Math.fround(this.strength * counts[token]);
      }
      best.scan(input.logProbs, from, from + vocabulary, input.scores[row], slot * vocabulary);
    }
    for (let rank = 0; rank < best.capacity; rank++) {
      const at = sentence * width + rank * groups + group;
      const found = rank < best.size;
      const index = found ? best.indices[rank] : pad;
      const token = index % vocabulary;
      out.scores[at] = found ? best.scores[rank] : Number.NEGATIVE_INFINITY;
      out.tokens[at] = token;
      out.beams[at] = Math.trunc(index / vocabulary) * groups + group;
      if (!found) continue;
      if (counts[token] === 0) counted.push(token);
      counts[token]++;
    }
  }
}

import { TopK } from "../top_k.ts";
import {
  type ConstraintState,
  OrderedConstraints,
  UnorderedConstraints,
} from "./constraint_states.ts";
import type { Candidates, Search, SearchStart, SearchStep, SearchStrategy } from "./strategy.ts";

/**
 * Beam search whose outputs contain given token sequences, in order or in any order (Post and Vilar 2018;
 * Hu et al. 2019). A hypothesis may not end before it has met them all. Candidates are the best of
 * all rows, the best of each row, and every token that a row's constraints ask for next; the beam is
 * dealt round and round to the banks, a bank being the candidates with equally many constraint
 * tokens met.
 */
export function lexicallyConstrainedSearch(order: "ordered" | "unordered"): SearchStrategy {
  const automaton = order === "ordered" ? OrderedConstraints : UnorderedConstraints;
  return {
    name: `constraints_${order}`,
    takesConstraints: true,
    begin(start) {
      const states: ConstraintState[] = [];
      const distinct: number[] = [];
      for (let sentence = 0; sentence < start.sentences; sentence++) {
        const wanted = (start.constraints?.[sentence] ?? []).map((tokens) => [...tokens]);
        const state = automaton.create(wanted);
        for (let slot = 0; slot < start.beam; slot++) states.push(state);
        distinct.push(new Set(wanted.flat()).size);
      }
      return new LexicallyConstrainedSearch(start, states, distinct);
    },
  };
}

interface Candidate {
  readonly score: number;
  readonly token: number;
  readonly slot: number;
  readonly state: ConstraintState;
}

class LexicallyConstrainedSearch implements Search {
  readonly width: number;
  private readonly best: TopK;
  private readonly bestOfRow = new TopK(1);
  /** Candidates of the present step, a list per live sentence. */
  private chosen: Candidate[][] = [];

  constructor(
    private readonly start: SearchStart,
    /** (rows) */
    private states: readonly ConstraintState[],
    /** (B) different tokens in each sentence's constraints. */
    private readonly distinct: readonly number[],
  ) {
    this.width = 2 * start.beam;
    this.best = new TopK(this.width);
  }

  choose(input: SearchStep, out: Candidates): void {
    const { beam, vocabulary, eos, pad } = this.start;
    this.chosen = [];
    for (let row = 0; row < input.sentences * beam; row++) {
      if (this.states[row].finished) continue;
      input.logProbs[row * vocabulary + eos] = Number.NEGATIVE_INFINITY;
    }
    for (let sentence = 0; sentence < input.sentences; sentence++) {
      const found = this.gather(input, sentence);
      const chosen = dealToBanks(found, this.distinct[input.live[sentence]]).slice(0, this.width);
      this.chosen.push(chosen);
      for (let column = 0; column < this.width; column++) {
        const candidate = chosen[column];
        const at = sentence * this.width + column;
        out.scores[at] = candidate?.score ?? Number.NEGATIVE_INFINITY;
        out.tokens[at] = candidate?.token ?? pad;
        out.beams[at] = candidate?.slot ?? 0;
      }
    }
  }

  advance(kept: Int32Array, columns: Int32Array): void {
    const { beam } = this.start;
    const next: ConstraintState[] = [];
    for (let row = 0; row < columns.length; row++) {
      const sentence = kept[Math.trunc(row / beam)];
      // A blank column is an impossible row; whose state it has does not matter.
      next.push(this.chosen[sentence][columns[row]]?.state ?? this.states[sentence * beam]);
    }
    this.states = next;
  }

  progress(row: number): number {
    return this.states[row].bank;
  }

  /** All candidates of a sentence, each (slot, token) once. */
  private gather({ step, logProbs, scores }: SearchStep, sentence: number): Candidate[] {
    const { beam, vocabulary } = this.start;
    const { best, bestOfRow } = this;
    const slots = step === 0 ? 1 : beam;
    const found = new Map<number, Candidate>();
    const add = (index: number, score: number) => {
      if (found.has(index) || score === Number.NEGATIVE_INFINITY) return;
      const slot = Math.trunc(index / vocabulary);
      const token = index % vocabulary;
      const state = this.states[sentence * beam + slot].advance(token);
      found.set(index, { score, token, slot, state });
    };
    best.reset(Math.min(this.width, slots * vocabulary - 1));
    for (let slot = 0; slot < slots; slot++) {
      const row = sentence * beam + slot;
      const from = row * vocabulary;
      best.scan(logProbs, from, from + vocabulary, scores[row], slot * vocabulary);
    }
    for (let i = 0; i < best.size; i++) add(best.indices[i], best.scores[i]);
    for (let slot = 0; slot < slots; slot++) {
      const row = sentence * beam + slot;
      const from = row * vocabulary;
      bestOfRow.reset();
      bestOfRow.scan(logProbs, from, from + vocabulary, scores[row], slot * vocabulary);
      if (bestOfRow.size > 0) add(bestOfRow.indices[0], bestOfRow.scores[0]);
    }
    for (let slot = 0; slot < slots; slot++) {
      const row = sentence * beam + slot;
      for (const token of this.states[row].nextTokens()) {
        add(
          slot * vocabulary + token,
          Math.fround(logProbs[row * vocabulary + token] + scores[row]),
        );
      }
    }
    return [...found.values()];
  }
}

/** Weight of a bank against a score in the order of candidates; scores below it mix banks, as in fairseq. */
const BANK_WEIGHT = -100;

/**
 * Candidates in the order in which they fill the beam: the best of each bank, highest bank first, then the
 * second of each, and so on.
 */
function dealToBanks(candidates: readonly Candidate[], constraintTokens: number): Candidate[] {
  const sorted = candidates
    .map((candidate) => ({
      candidate,
      key: Math.fround((constraintTokens - candidate.state.bank) * BANK_WEIGHT + candidate.score),
    }))
    .sort((a, b) => b.key - a.key)
    .map(({ candidate }) => candidate);
  let bank: number | undefined;
  let rank = 0;
  return sorted
    .map((candidate) => {
      rank = candidate.state.bank === bank ? rank + 1 : 0;
      bank = candidate.state.bank;
      const stripe = constraintTokens - bank + rank * (sorted.length + 1);
      return { candidate, stripe };
    })
    .sort((a, b) => a.stripe - b.stripe)
    .map(({ candidate }) => candidate);
}

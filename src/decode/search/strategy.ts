import type { RowCandidates } from "../step_decoder.ts";

/** A batch that a search begins. */
export interface SearchStart {
  /** B */
  readonly sentences: number;
  /** K */
  readonly beam: number;
  /** V */
  readonly vocabulary: number;
  readonly pad: number;
  readonly eos: number;
  /** No hypothesis is longer than this many tokens and eos. */
  readonly maxLength: number;
  /** (B) source tokens of each sentence, neither padding nor eos counted. */
  readonly sourceLengths: Int32Array;
  /** (B) the caller's number for each sentence. */
  readonly ids: Int32Array;
  /** (B) token sequences that each sentence's output must contain. */
  readonly constraints: readonly (readonly Int32Array[])[] | undefined;
}

/** One step of a search. Everything is lent until the call returns. */
export interface SearchStep {
  readonly step: number;
  /** Sentences still searched. */
  readonly sentences: number;
  /** (sentences) their numbers in the batch that the search began with. */
  readonly live: Int32Array;
  /** (sentences * beam, V) after the rules of `applyRules`; may be overwritten. */
  readonly logProbs: Float32Array;
  /** (sentences * beam) summed log-probability of each row so far, 0 at step 0. */
  readonly scores: Float32Array;
  /** A row's tokens from the start token on. */
  tokensOf(row: number): Int32Array;
}

/**
 * Continuations chosen at a step: (sentences, width), best first. A slot without a candidate has score
 * -Infinity. Only the first `beam` columns can end a hypothesis; the rest replace those that did.
 */
export interface Candidates {
  readonly width: number;
  /** Summed log-probability with the new token. */
  readonly scores: Float32Array;
  readonly tokens: Int32Array;
  /** The slot that each continues. */
  readonly beams: Int32Array;
}

/** A search in progress over one batch; it may keep state per row. */
export interface Search {
  /** Columns that `choose` fills. */
  readonly width: number;
  /** Fills every column of every live sentence. */
  choose(step: SearchStep, out: Candidates): void;
  /**
   * The same from the best `width` continuations of each row. Only for a search that needs no more
   * of a row than that.
   */
  chooseFromRows?(step: number, sentences: number, rows: RowCandidates, out: Candidates): void;
  /** Told after each step which sentences live on and, for each, which columns fill its slots. */
  advance?(kept: Int32Array, columns: Int32Array): void;
  /** How far a row has come towards what is asked of it; decides among rows that could not end. */
  progress?(row: number): number;
}

/** A way of choosing continuations. */
export interface SearchStrategy {
  readonly name: string;
  /** Whether constraints given with a batch are heeded. */
  readonly takesConstraints?: boolean;
  begin(start: SearchStart): Search;
}

/** Writes a sentence's best `found` candidates, given as flat indices beam * V + token, and blanks the rest. */
export function writeCandidates(
  out: Candidates,
  sentence: number,
  found: { readonly scores: Float32Array; readonly indices: Int32Array; readonly size: number },
  vocabulary: number,
  pad: number,
): void {
  const start = sentence * out.width;
  for (let column = 0; column < out.width; column++) {
    const taken = column < found.size;
    const index = taken ? found.indices[column] : pad;
    out.scores[start + column] = taken ? found.scores[column] : Number.NEGATIVE_INFINITY;
    out.tokens[start + column] = index % vocabulary;
    out.beams[start + column] = Math.trunc(index / vocabulary);
  }
}

/** Ids that search and scoring treat specially. */
export interface SpecialTokens {
  readonly bos: number;
  readonly pad: number;
  readonly eos: number;
  readonly unk: number;
}

/** What fairseq's dictionaries begin with. */
export const defaultSpecialTokens: SpecialTokens = { bos: 0, pad: 1, eos: 2, unk: 3 };

/** A finished output sentence. Logarithms are natural. */
export interface Hypothesis {
  /** (T) token ids, the last one end-of-sentence. */
  readonly tokens: Int32Array;
  /** Sum of the positional scores over length^lenpen (the length counts eos), or the bare sum. */
  readonly score: number;
  /** (T) log-probability of each token. */
  readonly positionalScores: Float32Array;
  /** (T, S) attention over the padded source, target-major, where the model has one. */
  readonly attention?: Float32Array;
  /**
   * False when the search could not end this sentence by its rules (unmet constraints at the
   * length limit, every token banned): the best prefix, with an eos that costs nothing.
   */
  readonly complete: boolean;
}

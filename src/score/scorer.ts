/** A reference or hypothesis. */
export interface Segment {
  readonly text: string;
  /** Token ids, which fairseq's BLEU compares; without them it compares the words of the text. */
  readonly tokens?: ArrayLike<number>;
}

/** Collects pairs over a corpus: what `--scoring` names. */
export interface Scorer {
  add(reference: Segment, hypothesis: Segment): void;
  /** The line that fairseq prints. */
  result(): string;
  /** The number in it, 0 to 100 save for error rates. */
  score(): number;
  /** How the number was made, in sacreBLEU's words; undefined for fairseq's own scorers. */
  signature?(): string;
  /** What may be wrong with the text, for whoever reads the score; undefined if nothing is. */
  warning?(): string | undefined;
}

/**
 * What every row of a search has said so far, as back pointers: a step adds one entry per row
 * and nothing is ever copied or reordered. Rows are numbered anew at each step.
 */
export class BeamHistory {
  private readonly parents: Int32Array[] = [];
  private readonly tokens: Int32Array[] = [];
  private readonly scores: Float32Array[] = [];
  private readonly attentions: Float32Array[] = [];

  /** @param first the token that every row begins with. */
  constructor(
    private readonly first: number,
    private readonly sourceWidth: number,
  ) {}

  /** Tokens per row, the first one not counted. */
  get length(): number {
    return this.tokens.length;
  }

  /**
   * Adds a step. For each new row: the row of the step before that it continues, its token, and its
   * summed log-probability with that token. The arrays are kept.
   */
  push(parents: Int32Array, tokens: Int32Array, scores: Float32Array): void {
    this.parents.push(parents);
    this.tokens.push(tokens);
    this.scores.push(scores);
  }

  /** Records the (rows, S) attention with which the present rows choose their next token. */
  pushAttention(attention: Float32Array): void {
    this.attentions.push(attention);
  }

  /** Makes row `to` continue as row `from` does. */
  overwrite(to: number, from: number): void {
    const last = this.length - 1;
    if (last < 0) return;
    this.parents[last][to] = this.parents[last][from];
    this.tokens[last][to] = this.tokens[last][from];
    this.scores[last][to] = this.scores[last][from];
  }

  /** The first token and all that a present row has said, written to `out` (length + 1 entries). */
  readTokens(row: number, out: Int32Array): void {
    out[0] = this.first;
    for (let step = this.length - 1; step >= 0; step--) {
      out[step + 1] = this.tokens[step][row];
      row = this.parents[step][row];
    }
  }

  /** The summed log-probability of a present row after each of its tokens, written to `out`. */
  readScores(row: number, out: Float32Array): void {
    for (let step = this.length - 1; step >= 0; step--) {
      out[step] = this.scores[step][row];
      row = this.parents[step][row];
    }
  }

  /** (T, S) attention of a present row for its tokens and the next; undefined if none was recorded. */
  readAttention(row: number): Float32Array | undefined {
    const width = this.sourceWidth;
    const last = this.length;
    if (this.attentions.length <= last) return undefined;
    const out = new Float32Array((last + 1) * width);
    for (let step = last; step >= 0; step--) {
      out.set(this.attentions[step].subarray(row * width, (row + 1) * width), step * width);
      if (step > 0) row = this.parents[step - 1][row];
    }
    return out;
  }
}

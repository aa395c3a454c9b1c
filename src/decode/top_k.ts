/**
 * The k largest values seen, in descending order; of equal values the one offered first stays ahead.
 * Filled by scans of float32 rows: one comparison per element, an insertion for the few that matter.
 */
export class TopK {
  /** Descending; only the first `size` entries count. */
  readonly scores: Float32Array;
  /** Where each score came from. */
  readonly indices: Int32Array;
  size = 0;
  private limit: number;

  constructor(readonly capacity: number) {
    this.scores = new Float32Array(capacity);
    this.indices = new Int32Array(capacity);
    this.limit = capacity;
  }

  /** Empties it, to keep `limit` values (1 to the capacity) from now on. */
  reset(limit = this.capacity): void {
    this.size = 0;
    this.limit = limit;
  }

  /**
   * Offers float32(values[i] + bias) for start <= i < end under the indices firstIndex, firstIndex + 1, ...
   * NaN and -Infinity are never kept.
   */
  scan(values: Float32Array, start: number, end: number, bias: number, firstIndex: number): void {
    let floor = this.floor();
    for (let i = start; i < end; i++) {
      const sum = values[i] + bias;
      // Rounding is monotone, so a double that does not pass cannot pass as a float either.
      if (sum > floor) {
        const score = Math.fround(sum);
        if (score > floor) {
          this.insert(score, firstIndex + i - start);
          floor = this.floor();
        }
      }
    }
  }

  /** Offers one value. */
  offer(score: number, index: number): void {
    if (score > this.floor()) this.insert(score, index);
  }

  /** A value must exceed this to be kept. */
  private floor(): number {
    return this.size < this.limit ? Number.NEGATIVE_INFINITY : this.scores[this.size - 1];
  }

  private insert(score: number, index: number): void {
    const { scores, indices } = this;
    let slot = this.size < this.limit ? this.size++ : this.size - 1;
    while (slot > 0 && scores[slot - 1] < score) {
      scores[slot] = scores[slot - 1];
      indices[slot] = indices[slot - 1];
      slot--;
    }
    scores[slot] = score;
    indices[slot] = index;
  }
}

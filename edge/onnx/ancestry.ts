/**
 * Where hypotheses' pasts lie when keys and values never move. A token's are written into the row that its
 * hypothesis had then; this remembers, for each row now and each token before, which row of the sentence
 * that was. Reordering rewrites these numbers alone.
 */
export class Ancestry {
  /** (rows, slots) */
  private table: Int32Array;

  constructor(
    rows: number,
    private readonly beam: number,
    private width: number,
  ) {
    this.table = new Int32Array(rows * width);
  }

  /** (rows, slots), row-major. */
  get numbers(): Int32Array {
    return this.table;
  }

  /**
   * Prepares a step.
   *
   * @param reorder (rows) the row of the step before that each row continues; undefined at the first.
   * @param slots of the caches now, more than `step`.
   */
  advance(step: number, rows: number, reorder: Int32Array | undefined, slots: number): void {
    const next = new Int32Array(rows * slots);
    for (let row = 0; row < rows; row++) {
      const to = row * slots;
      if (reorder && step > 0) {
        const parent = reorder[row];
        const from = parent * this.width;
        next.set(this.table.subarray(from, from + step), to);
      }
      next[to + step] = row % this.beam;
    }
    this.table = next;
    this.width = slots;
  }
}

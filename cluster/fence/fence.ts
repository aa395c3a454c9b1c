// A register outside of all peers, by which a cluster decides what it cannot decide among itself: when
// two sides could each think that the other is dead, the side that swaps the register goes on.

/** What stands in the register. */
export interface FenceRecord {
  /** Counts upwards; 1 or more. */
  readonly generation: number;
  /** Plain JSON: whatever the peers of that generation agreed on. */
  readonly view: unknown;
}

/** A linearizable compare-and-swap register. */
export interface Fence {
  /**
   * Finds out whether the register can be used, before anything depends on it.
   *
   * @throws UserError if it cannot.
   */
  prepare(): Promise<void>;
  /** What stands; undefined while nothing was ever written. */
  read(): Promise<FenceRecord | undefined>;
  /**
   * Writes `next` if `expectedGeneration` stands (0: if nothing does).
   *
   * @returns `next` itself to exactly one caller for a generation, the one whose swap happened; another
   * may have swapped since. To the rest, the newest record.
   * @throws UserError if the register cannot be reached. The swap may have happened nevertheless: then
   * `read` gives its view.
   */
  swap(expectedGeneration: number, next: FenceRecord): Promise<FenceRecord>;
}

/** Largest record, as JSON. */
export const MAX_RECORD = 2 ** 20;

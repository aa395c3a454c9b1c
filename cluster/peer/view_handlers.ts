/** What this peer does when the members change. */
export interface ViewHandlers {
  /** Applies an update whose summed gradients are in memory. @param rows sums by micro-batch. */
  applyHeld(rows: ReadonlyMap<number, readonly number[]>): Promise<void>;
  /** All that a newcomer needs besides the numbers in memory. */
  record(): Promise<string>;
  restore(record: string): Promise<void>;
  suspended(reason: string): Promise<void>;
}

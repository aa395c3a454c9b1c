// Callers of a listener that have not proven who they are: few, and not for long.
import type { Limits } from "./limits.ts";

export class WaitingRoom {
  /** How to turn each out, the one that waits longest first. */
  readonly #waiting = new Set<() => void>();

  constructor(private readonly limits: Limits) {}

  /**
   * Lets a caller wait. Where too many wait already, the one that has waited longest is turned out: an
   * honest one needs milliseconds, so it is among those that only occupy a place.
   * @param turnOut closes the caller's connection, when its time is up or its place is needed.
   * @returns what to call when it has proven itself or is gone.
   */
  enter(turnOut: () => void): () => void {
    for (const longest of this.#waiting) {
      if (this.#waiting.size < this.limits.unproven) break;
      longest();
    }
    const leave = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(expel);
    };
    const expel = (): void => {
      leave();
      turnOut();
    };
    const timer = setTimeout(expel, this.limits.patience);
    this.#waiting.add(expel);
    return leave;
  }
}

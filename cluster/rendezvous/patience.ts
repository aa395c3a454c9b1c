import { setTimeout } from "node:timers/promises";

/** How long a meeting may still take, and a process to show that it lives. */
export class Patience {
  private readonly end: number;

  constructor(
    readonly seconds: number,
    private readonly signal: AbortSignal | undefined,
    /** Milliseconds in which a living process answers. */
    readonly grace: number,
  ) {
    this.end = performance.now() + seconds * 1000;
  }

  /** Milliseconds; 0 or less once it is over. */
  get left(): number {
    return this.end - performance.now();
  }

  /** Waits, but not beyond the end. @throws the signal's reason once it is aborted. */
  async pause(milliseconds: number): Promise<void> {
    this.signal?.throwIfAborted();
    try {
      await setTimeout(Math.max(0, Math.min(milliseconds, this.left)), undefined, {
        signal: this.signal,
      });
    } catch (error) {
      this.signal?.throwIfAborted();
      throw error;
    }
  }
}

import type { Receiver } from "./transport.ts";

/**
 * Yields the length of the part it wants next, and gets that part. Returns the receiver of all that
 * follows. An error it throws ends the connection.
 */
export type Steps = Generator<number, Receiver, Uint8Array>;

/** One of these is called, once. */
interface Outcome {
  /** The steps have returned the receiver of all that follows. */
  done(): void;
  /** They threw. */
  failed(error: unknown): void;
  /** The connection ended before they were done. */
  ended(reason: string | undefined): void;
}

/** A receiver for what comes first on a connection: it reads parts of known lengths, never a byte more. */
export function receiveInParts(steps: Steps, outcome: Outcome): Receiver {
  return new PartsReceiver(steps, outcome);
}

class PartsReceiver implements Receiver {
  #part = new Uint8Array(0);
  #filled = 0;
  #next: Receiver | undefined;
  #failed = false;

  constructor(
    private readonly steps: Steps,
    private readonly outcome: Outcome,
  ) {
    this.#proceed();
  }

  get awaited(): number {
    return this.#next?.awaited ?? 0;
  }

  space(): Uint8Array {
    return this.#next ? this.#next.space() : this.#part.subarray(this.#filled);
  }

  filled(count: number): void {
    if (this.#next) {
      this.#next.filled(count);
      return;
    }
    this.#filled += count;
    if (this.#filled === this.#part.length) this.#proceed();
  }

  closed(reason: string | undefined): void {
    if (this.#next) this.#next.closed(reason);
    else if (!this.#failed) this.outcome.ended(reason);
  }

  #proceed(): void {
    try {
      const { done, value } = this.steps.next(this.#part);
      if (done) {
        this.#next = value;
        this.outcome.done();
        return;
      }
      this.#part = new Uint8Array(value);
      this.#filled = 0;
    } catch (error) {
      this.#failed = true;
      this.outcome.failed(error);
      throw error;
    }
  }
}

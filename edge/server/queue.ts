// Who may run: a few at a time, a bounded number waiting behind them in the order they came.
import { queueFull } from "./refusals.ts";

export interface Queue {
  readonly running: number;
  readonly waiting: number;
  /**
   * Waits for a turn.
   *
   * @returns what gives the turn to the next one; to be called once.
   * @throws Problem 429 when too many wait; the signal's reason when it is aborted before the turn.
   */
  enter(signal: AbortSignal): Promise<() => void>;
}

/** Seconds that Retry-After names at most. */
const LONGEST_RETRY = 60;

export function createQueue(most: { concurrent: number; waiting: number }): Queue {
  let running = 0;
  /** Sets keep the order of insertion, and forget those who leave in one step. */
  const waiting = new Set<() => void>();
  /** Seconds that a turn takes, as a mean that forgets. */
  let turn = 1;

  const start = (): (() => void) => {
    running++;
    const begin = Date.now();
    return () => {
      running--;
      turn += ((Date.now() - begin) / 1000 - turn) / 8;
      const [next] = waiting;
      next?.();
    };
  };

  const retryAfter = (): number => {
    const seconds = Math.ceil((turn * (waiting.size + 1)) / most.concurrent);
    return Math.min(Math.max(seconds, 1), LONGEST_RETRY);
  };

  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiting.size;
    },
    async enter(signal) {
      signal.throwIfAborted();
      if (running < most.concurrent) return start();
      if (waiting.size >= most.waiting) throw queueFull(waiting.size, retryAfter());
      return await new Promise<() => void>((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(onTurn);
          signal.removeEventListener("abort", onAbort);
        };
        const onTurn = (): void => {
          leave();
          resolve(start());
        };
        const onAbort = (): void => {
          leave();
          reject(signal.reason);
        };
        waiting.add(onTurn);
        signal.addEventListener("abort", onAbort);
      });
    },
  };
}

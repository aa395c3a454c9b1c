// Notices a main thread that hangs. Its heartbeats go on, for they are the communication thread's: the other
// peers would wait for it for ever.
import type { Event, NodeRequest } from "./protocol.ts";

/** Requests after which the main thread waits for the communication thread. */
const WAITS: ReadonlySet<NodeRequest["kind"]> = new Set(["sums", "share", "fetch", "installed"]);

/** Events after which it has something to do; so it has after "taken", if it waited for that. */
const WORKS: ReadonlySet<Event["kind"]> = new Set([
  ...(["view", "fetched", "assembled", "update", "shared"] as const),
]);

/** Milliseconds that count at most between two ticks: this process may have been stopped meanwhile. */
const LONGEST_TICK = 1000;

export class Watchdog {
  private isWorking = false;
  private silent = 0;
  private last: number | undefined;

  /**
   * @param limit milliseconds of silence after which the main thread is held to hang.
   * @param elements of the gradients, if each micro-batch is a contribution: the main thread waits until
   * one of them has left its memory.
   */
  constructor(
    private readonly limit: number,
    private readonly elements: number | undefined,
  ) {}

  /** The main thread has asked for something: it lives. */
  asked(request: NodeRequest): void {
    this.silent = 0;
    const isGiven = request.kind === "final" && request.elements === this.elements;
    if (WAITS.has(request.kind) || isGiven) this.isWorking = false;
  }

  /** It is told something. */
  told({ kind }: Event): void {
    // Else it may wait for others by now: contributions are on their way long after it has asked for sums.
    const isAwaited = kind === "taken" && this.elements !== undefined;
    if ((isAwaited || WORKS.has(kind)) && !this.isWorking) {
      this.isWorking = true;
      this.silent = 0;
    }
    // It saves what it has, and waits for others then.
    if (kind === "suspended") this.isWorking = false;
  }

  /** Time passes. @param now milliseconds. @returns the seconds of silence, once they are too many. */
  tick(now: number): number | undefined {
    const passed = Math.min(LONGEST_TICK, now - (this.last ?? now));
    this.last = now;
    if (this.isWorking) this.silent += passed;
    return this.silent > this.limit ? this.silent / 1000 : undefined;
  }
}

// Waits for sockets of libc, one for all those of a thread. The runtime's event loop knows nothing of them,
// so the thread sleeps here, in poll(), and lets the event loop have its turn whenever it has woken.
import { type Libc, POLLIN } from "./libc.ts";

/**
 * Milliseconds of sleep after which timers and the runtime's own events have their turn: these may come
 * so much late. Messages of other threads need not wait, if their senders ring the bell.
 */
const NAP = 5;

const ENTRY = 8;

/** A socket that is waited for. */
export interface Watch {
  readonly fd: number;
  /** POLLIN and POLLOUT, or 0 to hear of its end only. */
  events: number;
  /** Something has happened. @param events which, POLLERR and POLLHUP among them. */
  readonly ready: (events: number) => void;
}

export class Poller {
  /** A file descriptor: see `Libc.openBell`. */
  readonly bell: number;
  private readonly watches = new Set<Watch>();
  private table = new Uint8Array(new SharedArrayBuffer(64 * ENTRY));
  private isRunning = false;
  /** Whether something happened in the last turn: then what follows from it comes before sleep. */
  private isAwake = false;

  constructor(private readonly libc: Libc) {
    this.bell = libc.openBell();
  }

  /** Waits for a socket until `unwatch`, which must come before its end. */
  watch(watch: Watch): void {
    this.watches.add(watch);
    if (this.isRunning) return;
    this.isRunning = true;
    setImmediate(this.turn);
  }

  unwatch(watch: Watch): void {
    this.watches.delete(watch);
  }

  private readonly turn = (): void => {
    if (this.watches.size === 0) {
      this.isRunning = false;
      return;
    }
    // Before anything that may throw: others' sockets go on.
    setImmediate(this.turn);
    const watches = [...this.watches];
    const entries = this.fill(watches);
    const count = this.libc.poll(this.table, watches.length + 1, this.isAwake ? 0 : NAP);
    this.isAwake = count > 0;
    if (count === 0) return;
    if (entries[3] !== 0) this.libc.silence(this.bell);
    for (const [i, watch] of watches.entries()) {
      const events = entries[4 * i + 7];
      // What went before may have ended it.
      if (events !== 0 && this.watches.has(watch)) watch.ready(events);
    }
  };

  /** @returns the table as fd (two halves), events and revents of each: the bell, then the watches. */
  private fill(watches: readonly Watch[]): Int16Array {
    const bytes = (watches.length + 1) * ENTRY;
    if (this.table.length < bytes) this.table = new Uint8Array(new SharedArrayBuffer(2 * bytes));
    const numbers = new Int32Array(this.table.buffer);
    const halves = new Int16Array(this.table.buffer);
    numbers[0] = this.bell;
    numbers[1] = POLLIN;
    for (const [i, { fd, events }] of watches.entries()) {
      numbers[2 * i + 2] = fd;
      numbers[2 * i + 3] = events;
    }
    return halves;
  }
}

// What the main thread waits for from its communication thread.
import type { Event } from "./protocol.ts";

export type EventOf<K extends Event["kind"]> = Extract<Event, { kind: K }>;

interface Waiter {
  readonly kind: Event["kind"];
  readonly matches: (event: Event) => boolean;
  readonly resolve: (event: Event) => void;
  readonly reject: (error: Error) => void;
}

export class Mailbox {
  private waiters: Waiter[] = [];

  /** The next event of a kind, of those that match. @throws what `reject` is given before it comes. */
  wait<K extends Event["kind"]>(
    kind: K,
    matches: (event: EventOf<K>) => boolean = () => true,
  ): Promise<EventOf<K>> {
    return new Promise((resolve, reject) => {
      this.waiters.push({
        kind,
        matches: (event) => matches(event as EventOf<K>),
        resolve: (event) => resolve(event as EventOf<K>),
        reject,
      });
    });
  }

  wake(event: Event): void {
    const woken = this.waiters.filter(({ kind, matches }) => kind === event.kind && matches(event));
    this.waiters = this.waiters.filter((waiter) => !woken.includes(waiter));
    for (const { resolve } of woken) resolve(event);
  }

  /** Nothing that is waited for comes any more. */
  reject(error: Error): void {
    const { waiters } = this;
    this.waiters = [];
    for (const { reject } of waiters) reject(error);
  }
}

/** Who is still awaited, and why: in an error's problem, whose remedy follows a semicolon. */
export const awaitedText = ({ ranks, trouble }: EventOf<"awaiting">): string =>
  ranks.map((rank, i) => `rank ${rank} (${trouble[i].replaceAll(";", ",")})`).join(", ");

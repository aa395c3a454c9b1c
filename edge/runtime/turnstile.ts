/** What one party wants to do: its next task waits until the party's turn comes round. */
interface Waiting {
  readonly enter: () => void;
}

/**
 * Lets so many tasks run at a time. The parties that wait take turns, so that one with a thousand tasks
 * does not keep another with one of them waiting; a party's own tasks run in order.
 */
export class Turnstile {
  /** In order of their next turn; each has someone waiting. */
  private readonly parties = new Map<object, Set<Waiting>>();
  private free: number;

  constructor(places: number) {
    this.free = places;
  }

  /**
   * Runs `task` when its turn comes.
   *
   * @param party whoever the task belongs to. @throws the signal's reason if it is aborted before.
   */
  async pass<Result>(
    party: object,
    signal: AbortSignal | undefined,
    task: () => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    if (this.free > 0) this.free--;
    else await this.wait(party, signal);
    try {
      return await task();
    } finally {
      this.next();
    }
  }

  private wait(party: object, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        enter: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.remove(party, waiting);
        reject(signal?.reason);
      };
      const own = this.parties.get(party) ?? new Set();
      this.parties.set(party, own.add(waiting));
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  /** Gives a place to the party whose turn it is, and sends that to the end of the line. */
  private next(): void {
    const [turn] = this.parties;
    if (turn === undefined) {
      this.free++;
      return;
    }
    const [party, own] = turn;
    const [first] = own;
    this.parties.delete(party);
    own.delete(first);
    if (own.size > 0) this.parties.set(party, own);
    first.enter();
  }

  private remove(party: object, waiting: Waiting): void {
    const own = this.parties.get(party);
    own?.delete(waiting);
    if (own?.size === 0) this.parties.delete(party);
  }
}

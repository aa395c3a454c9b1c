// One connection over a socket of libc: the kernel reads from and writes to the given memory itself.
import { addressText } from "./address_text.ts";
import { reasonOf } from "./failures.ts";
import { type Libc, POLLIN, POLLOUT } from "./libc.ts";
import type { Poller, Watch } from "./poller.ts";
import { StreamConnection } from "./stream_connection.ts";
import type { Address, NearMemory, SendOptions } from "./transport.ts";

/** Bytes in one direction after which other connections have their turn. */
const TURN = 4 * 2 ** 20;

/**
 * Of a payload so many bytes are waited for at once, where as many are still to come: every waking costs
 * processor time. No more than that, for a peer of which nothing is read for too long counts as dead, and
 * its line may be slow.
 */
const LOW_WATER = [65536, 16384];

const lengthOf = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, { length }) => sum + length, 0);

export class LibcConnection extends StreamConnection {
  readonly #watch: Watch;
  #isWriting = false;
  /** Whether frames wait for the end of this turn, to be sent together. */
  #isDue = false;
  #isPrompt = true;
  /** Bytes that poll() waits for. */
  #lowWater = 1;
  /** Why nothing can be written any more. */
  #broken: string | undefined;

  /** @param fd a connected socket, which this closes in the end. */
  constructor(
    private readonly libc: Libc,
    private readonly poller: Poller,
    fd: number,
    remote: Address,
    readonly memory: NearMemory | undefined,
  ) {
    super(addressText(remote), undefined);
    this.#watch = { fd, events: 0, ready: (events) => this.#ready(events) };
    libc.setNoDelay(fd);
    poller.watch(this.#watch);
  }

  override send(pieces: readonly Uint8Array[], options?: SendOptions): void {
    this.#isPrompt = options?.together !== true;
    super.send(pieces, options);
  }

  /** What waits for the end of this turn still goes out: it may say why. */
  override end(reason: string | undefined): void {
    if (this.#isDue) this.#write();
    super.end(reason);
  }

  protected override flush(): void {
    if (this.#isPrompt) {
      this.#write();
      return;
    }
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => this.#write());
  }

  protected override startReading(): void {
    this.#watch.events |= POLLIN;
  }

  protected override shut(): void {
    this.poller.unwatch(this.#watch);
    this.libc.close(this.#watch.fd);
  }

  #ready(events: number): void {
    if (events & POLLOUT) {
      this.#watch.events &= ~POLLOUT;
      this.#write();
    }
    if (events & ~POLLOUT && !this.over) this.#read();
  }

  #read(): void {
    try {
      this.#readAll();
      if (!this.over) this.#awaitEnough();
    } catch (error) {
      this.end(this.#broken ?? reasonOf(error));
    }
  }

  #readAll(): void {
    for (let left = TURN; left > 0 && !this.over; ) {
      const space = this.space();
      const count = this.libc.receive(this.#watch.fd, space);
      if (count === undefined) return;
      if (count === 0) {
        this.end(this.#broken);
        return;
      }
      this.filled(count);
      if (count < space.length) return;
      left -= count;
    }
  }

  #awaitEnough(): void {
    const { awaited } = this;
    const wanted = LOW_WATER.find((bytes) => bytes <= awaited) ?? 1;
    if (wanted === this.#lowWater) return;
    this.#lowWater = wanted;
    this.libc.setLowWater(this.#watch.fd, wanted);
  }

  #write(): void {
    this.#isDue = false;
    // `sent` may send; and where the kernel takes no more, poll() says when it does.
    if (this.#isWriting || this.over || this.#watch.events & POLLOUT) return;
    this.#isWriting = true;
    this.guard(() => this.#writeAll());
    this.#isWriting = false;
  }

  #writeAll(): void {
    let left = TURN;
    for (let pieces = this.queue.pieces(); pieces.length > 0; pieces = this.queue.pieces()) {
      if (this.#broken !== undefined) return;
      const count = this.#give(pieces);
      this.queue.took(count);
      if (this.over) return;
      left -= count;
      if (count < lengthOf(pieces) || left <= 0) {
        if (this.#broken === undefined) this.#watch.events |= POLLOUT;
        return;
      }
    }
  }

  /** @returns bytes that the kernel took. */
  #give(pieces: readonly Uint8Array[]): number {
    try {
      return this.libc.send(this.#watch.fd, pieces) ?? 0;
    } catch (error) {
      // What the other side said last may still be read; reading ends the connection.
      this.#broken = reasonOf(error);
      return 0;
    }
  }
}

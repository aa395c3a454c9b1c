// What connections have in common on every runtime: the queue, the receiver, and an end told once.
import { reasonOf } from "./failures.ts";
import { SendQueue } from "./send_queue.ts";
import type { Connection, Receiver, SendOptions } from "./transport.ts";

/** A connection over one socket; what extends it moves the bytes. */
export abstract class StreamConnection implements Connection {
  protected readonly queue = new SendQueue();
  #receiver: Receiver | undefined;
  #received = 0;
  #over = false;

  constructor(
    readonly remote: string,
    readonly proven: string | undefined,
  ) {}

  /** Writes what the queue has, as far as the kernel takes it now; goes on by itself later. */
  protected abstract flush(): void;

  /** Called once there is a receiver. */
  protected startReading(): void {}

  /** Closes the socket. Called once. */
  protected abstract shut(): void;

  get queued(): number {
    return this.queue.queued;
  }

  get traffic(): { readonly sent: number; readonly received: number } {
    return { sent: this.queue.taken, received: this.#received };
  }

  /** Whether it has ended, for whichever reason. */
  get over(): boolean {
    return this.#over;
  }

  /** Hands it to its taker; only then is anything read. @throws what `open` throws, having closed it. */
  begin(open: (connection: Connection) => Receiver): void {
    try {
      this.#receiver = open(this);
    } catch (error) {
      this.end(reasonOf(error));
      throw error;
    }
    if (!this.#over) this.startReading();
  }

  send(pieces: readonly Uint8Array[], options?: SendOptions): void {
    if (this.#over) return;
    this.guard(() => {
      this.queue.push(pieces, options);
      this.flush();
    });
  }

  dropQueued(): void {
    this.queue.dropOrdinary();
  }

  close(): void {
    this.end(undefined);
  }

  /** Ends the connection; the first reason counts. The receiver hears of it after the caller is done. */
  end(reason: string | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.queue.clear();
    this.shut();
    this.settled().then(() => this.#receiver?.closed(reason));
  }

  /** Resolves once the receiver's memory is no longer touched. */
  protected async settled(): Promise<void> {}

  /** Does something that ends the connection if it throws. */
  protected guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.end(reasonOf(error));
    }
  }

  /** Where to read to. */
  protected space(): Uint8Array {
    const space = this.#receiver?.space();
    if (!space?.length) throw new Error("there is no room for what arrives");
    return space;
  }

  /** As Receiver.awaited. */
  protected get awaited(): number {
    return this.#receiver?.awaited ?? 0;
  }

  /** So many bytes have been read there. */
  protected filled(count: number): void {
    this.#received += count;
    this.#receiver?.filled(count);
  }

  /** Copies to the receiver what has been read elsewhere. */
  arrived(chunk: Uint8Array): void {
    this.guard(() => {
      for (let at = 0; at < chunk.length && !this.#over; ) {
        const space = this.space();
        const part = chunk.subarray(at, at + space.length);
        space.set(part);
        this.filled(part.length);
        at += part.length;
      }
    });
  }
}

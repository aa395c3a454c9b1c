// One connection over a socket of Bun. Bun hands over what arrives in memory of its own, so each byte is
// copied once more; node:net on Bun would copy what is unsent at every write besides.
import type { Socket, SocketHandler } from "bun";
import { addressText } from "./address_text.ts";
import { reasonOf } from "./failures.ts";
import { StreamConnection } from "./stream_connection.ts";

/** Bytes after which other events have their turn, though a fast receiver makes room for ever more. */
const TURN = 4 * 2 ** 20;

/** Its `data` is the connection, from the moment at which there is one. */
export type BunSocket = Socket<BunConnection | undefined>;

export class BunConnection extends StreamConnection {
  #flushing = false;
  /** Bytes written since other events had their turn, as far as we know; and whether they have it now. */
  #written = 0;
  #resting = false;

  constructor(
    protected readonly socket: BunSocket,
    proven?: string,
  ) {
    super(addressText({ host: socket.remoteAddress, port: socket.remotePort }), proven);
    socket.setNoDelay(true);
    socket.data = this;
  }

  /** Bun says how much the kernel took, and keeps nothing; `drain` says when to go on. */
  override flush(): void {
    if (this.#flushing || this.#resting) return; // `sent` may send
    this.#flushing = true;
    this.guard(() => this.#write());
    this.#flushing = false;
  }

  #write(): void {
    for (let next = this.queue.next(); next; next = this.queue.next()) {
      const count = this.socket.write(next);
      if (count < 0) return; // it is closed: `close` tells why
      this.#written += count;
      this.queue.took(count);
      if (count < next.length) {
        this.#written = 0;
        return;
      }
      if (this.#written >= TURN) {
        this.#rest();
        return;
      }
    }
  }

  #rest(): void {
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      this.#written = 0;
      this.flush();
    });
  }

  protected override shut(): void {
    this.socket.end();
  }
}

/** What happens on sockets that are connections; nothing on those that are not yet. */
export const bunEvents: SocketHandler<BunConnection | undefined> = {
  data: ({ data: connection }, chunk) => connection?.arrived(chunk),
  drain: ({ data: connection }) => connection?.flush(),
  close: ({ data: connection }, error) => connection?.end(error && reasonOf(error)),
  error: ({ data: connection }, error) => connection?.end(reasonOf(error)),
};

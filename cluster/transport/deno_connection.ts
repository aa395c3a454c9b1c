// One connection over a socket of Deno, which reads into the receiver's own memory.
import { addressText } from "./address_text.ts";
import type { DenoSocket } from "./deno_network.ts";
import { reasonOf } from "./failures.ts";
import { StreamConnection } from "./stream_connection.ts";

export class DenoConnection extends StreamConnection {
  #writing = false;
  /** Why nothing can be written any more. */
  #broken: string | undefined;
  #reading: Promise<void> | undefined;

  constructor(private readonly socket: DenoSocket) {
    const { hostname, port } = socket.remoteAddr;
    super(addressText({ host: hostname, port }), undefined);
    socket.setNoDelay(true);
  }

  protected override flush(): void {
    if (!this.#writing) this.#write();
  }

  /** A write that waits for the other side keeps the socket open until that side goes on, or is gone. */
  protected override shut(): void {
    this.socket.close();
  }

  /** Deno reads into the receiver's memory, up to the moment at which this loop ends. */
  protected override settled(): Promise<void> {
    return this.#reading ?? Promise.resolve();
  }

  protected override startReading(): void {
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    while (!this.over) {
      try {
        const count = await this.socket.read(this.space());
        if (this.over) return;
        if (count === null) this.end(this.#broken);
        else this.filled(count);
      } catch (error) {
        this.end(this.#broken ?? reasonOf(error));
      }
    }
  }

  async #write(): Promise<void> {
    this.#writing = true;
    for (let next = this.queue.next(); next; next = this.queue.next()) {
      try {
        const count = await this.socket.write(next);
        if (this.over) return;
        this.guard(() => this.queue.took(count));
      } catch (error) {
        // What the other side said last may still be read; reading ends the connection.
        this.#broken = reasonOf(error);
        return;
      }
    }
    this.#writing = false;
  }
}

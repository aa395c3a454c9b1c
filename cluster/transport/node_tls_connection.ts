import type { TLSSocket } from "node:tls";
import { addressText } from "./address_text.ts";
import { reasonOf } from "./failures.ts";
import { StreamConnection } from "./stream_connection.ts";

/** How much is given to node:tls at a time: it keeps what it is given until the kernel has taken it. */
const WRITE = 256 * 1024;

/** One connection over a socket of node:tls, whose other side has proven its name. */
export class NodeTlsConnection extends StreamConnection {
  #writing = false;
  #broken: string | undefined;

  constructor(
    private readonly socket: TLSSocket,
    proven: string,
  ) {
    const { remoteAddress: host = "", remotePort: port = 0 } = socket;
    super(addressText({ host, port }), proven);
    socket.setNoDelay(true);
  }

  protected override startReading(): void {
    this.socket.on("data", (chunk: Uint8Array) => this.arrived(chunk));
    this.socket.on("error", (error) => {
      this.#broken = reasonOf(error);
    });
    this.socket.on("close", () => this.end(this.#broken));
  }

  protected override flush(): void {
    if (this.#writing) return;
    const next = this.queue.next()?.subarray(0, WRITE);
    if (!next) return;
    this.#writing = true;
    this.socket.write(next, (error) => {
      this.#writing = false;
      if (error || this.over) return; // "close" tells why
      this.guard(() => {
        this.queue.took(next.length);
        this.flush();
      });
    });
  }

  protected override shut(): void {
    if (this.#writing) this.socket.destroy();
    else this.socket.destroySoon();
  }
}

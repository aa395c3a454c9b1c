// Bytes over Deno.listen and Deno.connect, read into the receiver's own memory.
import { setTimeout as sleep } from "node:timers/promises";
import { addressText } from "./address_text.ts";
import { type DenoConnection, type DenoListener, denoNetwork } from "./deno_network.ts";
import { dial } from "./dial.ts";
import { dialFailure, listenFailure, reasonOf } from "./failures.ts";
import type { Limits } from "./limits.ts";
import { StreamConnection } from "./stream_connection.ts";
import type { Address, Connection, Listener, Receiver, Transport } from "./transport.ts";

/** Pause after a connection that could not be accepted: too many open files, say. */
const ACCEPT_PAUSE = 50;

class DenoTcpConnection extends StreamConnection {
  #writing = false;
  /** Why nothing can be written any more. */
  #broken: string | undefined;
  #reading: Promise<void> | undefined;

  constructor(private readonly socket: DenoConnection) {
    const { hostname, port } = socket.remoteAddr;
    super(addressText({ host: hostname, port }), undefined);
    socket.setNoDelay(true);
  }

  protected override flush(): void {
    if (!this.#writing) this.#write();
  }

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

/** TCP on Deno. */
export class DenoTransport implements Transport {
  constructor(private readonly limits: Limits) {}

  async listen(address: Address, accept: (connection: Connection) => Receiver): Promise<Listener> {
    const { host: hostname, port } = address;
    let listener: DenoListener;
    try {
      listener = denoNetwork().listen({ hostname, port });
    } catch (error) {
      throw listenFailure(address, error);
    }
    let closed = false;
    acceptAll(listener, accept, () => closed);
    return {
      address: { host: hostname, port: listener.addr.port },
      close() {
        if (!closed) listener.close();
        closed = true;
      },
    };
  }

  connect(address: Address, open: (connection: Connection) => Receiver): Promise<Connection> {
    const { host: hostname, port } = address;
    return dial(address, this.limits.patience, async (signal) => {
      const socket = await denoNetwork()
        .connect({ hostname, port, signal })
        .catch((error) => {
          throw dialFailure(address, error);
        });
      const connection = new DenoTcpConnection(socket);
      connection.begin(open);
      return connection;
    });
  }
}

async function acceptAll(
  listener: DenoListener,
  accept: (connection: Connection) => Receiver,
  closed: () => boolean,
): Promise<void> {
  while (!closed()) {
    const socket = await listener.accept().catch(() => undefined);
    if (socket) take(socket, accept);
    else if (!closed()) await sleep(ACCEPT_PAUSE);
  }
}

function take(socket: DenoConnection, accept: (connection: Connection) => Receiver): void {
  try {
    new DenoTcpConnection(socket).begin(accept);
  } catch {
    // It is closed, whether the caller is gone again or `accept` refused it.
  }
}

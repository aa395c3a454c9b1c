import { setTimeout as sleep } from "node:timers/promises";
import { DenoConnection } from "./deno_connection.ts";
import { type DenoListener, type DenoSocket, denoNetwork } from "./deno_network.ts";
import { dial } from "./dial.ts";
import { dialFailure, listenFailure } from "./failures.ts";
import type { Limits } from "./limits.ts";
import type { Address, Connection, Listener, Receiver, Transport } from "./transport.ts";

/** Pause after a connection that could not be accepted: too many open files, say. */
const ACCEPT_PAUSE = 50;

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
      const connection = new DenoConnection(socket);
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

function take(socket: DenoSocket, accept: (connection: Connection) => Receiver): void {
  try {
    new DenoConnection(socket).begin(accept);
  } catch {
    // It is closed, whether the caller is gone again or `accept` refused it.
  }
}

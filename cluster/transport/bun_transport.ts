// Bytes over Bun.listen and Bun.connect. Bun hands over what arrives in memory of its own, so each byte
// is copied once more; node:net on Bun would copy what is unsent at every write besides.
import type { Socket, SocketHandler } from "bun";
import { addressText } from "./address_text.ts";
import { dial } from "./dial.ts";
import { dialFailure, listenFailure, reasonOf } from "./failures.ts";
import type { Limits } from "./limits.ts";
import { StreamConnection } from "./stream_connection.ts";
import type { Address, Connection, Listener, Receiver, Transport } from "./transport.ts";

type BunSocket = Socket<BunConnection | undefined>;

class BunConnection extends StreamConnection {
  #flushing = false;

  constructor(private readonly socket: BunSocket) {
    super(addressText({ host: socket.remoteAddress, port: socket.remotePort }), undefined);
    socket.setNoDelay(true);
    socket.data = this;
  }

  /** Bun says how much the kernel took, and keeps nothing; `drain` says when to go on. */
  override flush(): void {
    if (this.#flushing) return; // `sent` may send
    this.#flushing = true;
    this.guard(() => {
      for (let next = this.queue.next(); next; next = this.queue.next()) {
        const count = this.socket.write(next);
        if (count < 0) break; // it is closed: `close` tells why
        this.queue.took(count);
        if (count < next.length) break;
      }
    });
    this.#flushing = false;
  }

  protected override shut(): void {
    this.socket.end();
  }
}

const events: SocketHandler<BunConnection | undefined> = {
  data: ({ data: connection }, chunk) => connection?.arrived(chunk),
  drain: ({ data: connection }) => connection?.flush(),
  close: ({ data: connection }, error) => connection?.end(error && reasonOf(error)),
  error: ({ data: connection }, error) => connection?.end(reasonOf(error)),
};

/** TCP on Bun. */
export class BunTransport implements Transport {
  constructor(private readonly limits: Limits) {}

  async listen(address: Address, accept: (connection: Connection) => Receiver): Promise<Listener> {
    const { host: hostname, port } = address;
    try {
      const listener = Bun.listen<BunConnection | undefined>({
        hostname,
        port,
        data: undefined,
        socket: { ...events, open: (socket) => new BunConnection(socket).begin(accept) },
      });
      return { address: { host: hostname, port: listener.port }, close: () => listener.stop() };
    } catch (error) {
      throw listenFailure(address, error);
    }
  }

  connect(address: Address, open: (connection: Connection) => Receiver): Promise<Connection> {
    return dial(address, this.limits.patience, (tooLate) => {
      const opened = Promise.withResolvers<Connection>();
      Bun.connect<BunConnection | undefined>({
        hostname: address.host,
        port: address.port,
        data: undefined,
        socket: {
          ...events,
          open(socket) {
            if (tooLate.aborted) {
              socket.end();
              return;
            }
            try {
              const connection = new BunConnection(socket);
              connection.begin(open);
              opened.resolve(connection);
            } catch (error) {
              opened.reject(error);
            }
          },
        },
      }).catch((error) => opened.reject(dialFailure(address, error)));
      return opened.promise;
    });
  }
}

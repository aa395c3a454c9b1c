import { BunConnection, bunEvents } from "./bun_connection.ts";
import { dial } from "./dial.ts";
import { dialFailure, listenFailure } from "./failures.ts";
import type { Limits } from "./limits.ts";
import type { Address, Connection, Listener, Receiver, Transport } from "./transport.ts";

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
        socket: { ...bunEvents, open: (socket) => new BunConnection(socket).begin(accept) },
      });
      return { address: { host: hostname, port: listener.port }, close: () => listener.stop() };
    } catch (error) {
      throw listenFailure(address, error);
    }
  }

  connect(address: Address, open: (connection: Connection) => Receiver): Promise<Connection> {
    return dial(address, this.limits.patience, (tooLate) => {
      const opened = Promise.withResolvers<Connection>();
      Promise.try(() =>
        Bun.connect<BunConnection | undefined>({
          hostname: address.host,
          port: address.port,
          data: undefined,
          socket: {
            ...bunEvents,
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
        }),
      ).catch((error) => opened.reject(dialFailure(address, error)));
      return opened.promise;
    });
  }
}

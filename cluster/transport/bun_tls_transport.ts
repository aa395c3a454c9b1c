// TLS over Bun.listen and Bun.connect. `open` comes before the handshake and means nothing; a server asks
// for a certificate only with requestCert. Neither side leaves the decision to the runtime, which could
// only hang up: it takes the runtime's verification (`authorized`), decides by judgeCertificate, and says
// why. Until then a socket has no connection in its `data`, and what arrives is dropped.
import { BunConnection, type BunSocket, bunEvents } from "./bun_connection.ts";
import { closeOnceLate, dial } from "./dial.ts";
import { codeOf, dialFailure, listenFailure, reasonOf } from "./failures.ts";
import { type Judgement, judgeCertificate } from "./judge_certificate.ts";
import type { Limits } from "./limits.ts";
import { PEER_ROLE } from "./peer_role.ts";
import type { TlsIdentity } from "./security.ts";
import type { Address, Connection, Listener, Receiver, Refused, Transport } from "./transport.ts";
import { endedEarly, noPeer, untilProven } from "./until_proven.ts";
import { readVerdict, refusalBytes, WELCOME } from "./verdict.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** For a certificate that lacks PEER_ROLE, and the only fault of one for which Bun says !ok. */
const WRONG_NAME = "ERR_TLS_CERT_ALTNAME_INVALID";

/** How long the other side may take to hear that we are done, in milliseconds. */
const FAREWELL = 1000;

/** TLS on Bun. */
export class BunTlsTransport implements Transport {
  constructor(
    private readonly identity: TlsIdentity,
    private readonly limits: Limits,
  ) {}

  async listen(
    address: Address,
    accept: (connection: Connection) => Receiver,
    refused?: Refused,
  ): Promise<Listener> {
    const { host: hostname, port } = address;
    const { cert, key, ca } = this.identity;
    const room = new WaitingRoom(this.limits);
    const waiting = new WeakMap<BunSocket, () => void>();
    const leave = (socket: BunSocket): void => waiting.get(socket)?.();
    try {
      const listener = Bun.listen<BunConnection | undefined>({
        hostname,
        port,
        data: undefined,
        tls: { cert, key, ca, requestCert: true, rejectUnauthorized: false },
        socket: {
          ...bunEvents,
          open(socket) {
            waiting.set(
              socket,
              room.enter(() => socket.terminate()),
            );
          },
          handshake(socket, ok, error) {
            const judged = judge(socket, ok, error);
            if ("refusal" in judged) {
              socket.write(refusalBytes(judged.refusal));
              refused?.(`${socket.remoteAddress}:${socket.remotePort}`, judged.refusal);
              hangUp(socket);
              return;
            }
            leave(socket);
            const connection = new BunTlsConnection(socket, judged.name);
            connection.send([WELCOME], { urgent: true });
            connection.begin(accept);
          },
          close(socket, error) {
            leave(socket);
            bunEvents.close?.(socket, error);
          },
        },
      });
      return { address: { host: hostname, port: listener.port }, close: () => listener.stop() };
    } catch (error) {
      throw listenFailure(address, error);
    }
  }

  connect(address: Address, open: (connection: Connection) => Receiver): Promise<Connection> {
    const { host: hostname, port } = address;
    const { cert, key, ca } = this.identity;
    return dial(address, this.limits.patience, (tooLate) => {
      const proven = Promise.withResolvers<Connection>();
      Promise.try(() =>
        Bun.connect<BunConnection | undefined>({
          hostname,
          port,
          data: undefined,
          tls: { cert, key, ca, serverName: PEER_ROLE, rejectUnauthorized: false },
          socket: {
            ...bunEvents,
            open(socket) {
              closeOnceLate({ close: () => socket.terminate() }, tooLate);
            },
            handshake(socket, ok, error) {
              const judged = judge(socket, ok, error);
              if ("refusal" in judged) {
                const shown = ok || (error && codeOf(error) === WRONG_NAME);
                proven.reject(
                  shown ? noPeer(address, judged.refusal) : endedEarly(address, reasonOf(error)),
                );
                hangUp(socket);
                return;
              }
              const connection = new BunTlsConnection(socket, judged.name);
              const steps = readVerdict(address, connection, open);
              connection.begin(() => untilProven(address, connection, steps, proven));
            },
            close(socket, error) {
              proven.reject(endedEarly(address, error && reasonOf(error)));
              bunEvents.close?.(socket, error);
            },
          },
        }),
      ).catch((error) => proven.reject(dialFailure(address, error)));
      return proven.promise;
    });
  }
}

class BunTlsConnection extends BunConnection {
  protected override shut(): void {
    hangUp(this.socket);
  }
}

/** `end` would wait for the other side's own farewell, for ever if that hangs, and make `terminate` void. */
function hangUp(socket: BunSocket): void {
  socket.shutdown();
  setTimeout(() => socket.terminate(), FAREWELL).unref();
}

function judge(socket: BunSocket, ok: boolean, error: Error | null): Judgement {
  return judgeCertificate({
    authorized: ok && error === null && socket.authorized,
    protocol: socket.getTLSVersion(),
    certificate: socket.getPeerCertificate(),
  });
}

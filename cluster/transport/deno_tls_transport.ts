// TLS on Deno, by node:tls: Deno.listenTls asks nobody for a certificate, and Deno.connectTls shows none
// of the other side and believes all authorities of the system besides ours. As on Bun, the runtime
// verifies, and judgeCertificate decides and says why.
import type { Socket } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import { closeOnceLate, dial } from "./dial.ts";
import { dialFailure, listenFailure, reasonOf } from "./failures.ts";
import { type Judgement, judgeCertificate } from "./judge_certificate.ts";
import type { Limits } from "./limits.ts";
import { NodeTlsConnection } from "./node_tls_connection.ts";
import { PEER_ROLE } from "./peer_role.ts";
import type { TlsIdentity } from "./security.ts";
import type { Address, Connection, Listener, Receiver, Refused, Transport } from "./transport.ts";
import { endedEarly, noPeer, untilProven } from "./until_proven.ts";
import { readVerdict, refusalBytes, WELCOME } from "./verdict.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** TLS on Deno. */
export class DenoTlsTransport implements Transport {
  constructor(
    private readonly identity: TlsIdentity,
    private readonly limits: Limits,
  ) {}

  listen(
    address: Address,
    accept: (connection: Connection) => Receiver,
    refused?: Refused,
  ): Promise<Listener> {
    const { cert, key, ca } = this.identity;
    const room = new WaitingRoom(this.limits);
    /** By the caller's address: node:tls does not say which socket a TLS socket lies over. */
    const waiting = new Map<string, () => void>();
    const server = createServer(
      { cert, key, ca, requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.3" },
      (socket) => {
        socket.on("error", () => undefined); // "close" follows
        const judged = judge(socket);
        if ("refusal" in judged) {
          socket.end(refusalBytes(judged.refusal), () => socket.destroySoon());
          refused?.(`${socket.remoteAddress}:${socket.remotePort}`, judged.refusal);
          return;
        }
        waiting.get(callerOf(socket))?.();
        welcome(new NodeTlsConnection(socket, judged.name), accept);
      },
    );
    server.on("connection", (socket) => {
      const caller = callerOf(socket);
      const forget = room.enter(() => socket.destroy());
      const leave = (): void => {
        forget();
        if (waiting.get(caller) === leave) waiting.delete(caller);
      };
      waiting.set(caller, leave);
      socket.once("close", leave);
    });
    return new Promise((resolve, reject) => {
      server.on("error", (error) => reject(listenFailure(address, error)));
      server.listen(address.port, address.host, () => {
        const bound = server.address();
        const port = bound && typeof bound === "object" ? bound.port : address.port;
        resolve({ address: { host: address.host, port }, close: () => server.close() });
      });
    });
  }

  connect(address: Address, open: (connection: Connection) => Receiver): Promise<Connection> {
    const { cert, key, ca } = this.identity;
    return dial(address, this.limits.patience, (tooLate) => {
      const proven = Promise.withResolvers<Connection>();
      const socket = connect({
        ...{ host: address.host, port: address.port, servername: PEER_ROLE },
        ...{ cert, key, ca, rejectUnauthorized: false, minVersion: "TLSv1.3" },
      });
      closeOnceLate({ close: () => socket.destroy() }, tooLate);
      let dialled = false;
      socket.once("connect", () => {
        dialled = true;
      });
      socket.on("error", (error) => {
        proven.reject(dialled ? endedEarly(address, reasonOf(error)) : dialFailure(address, error));
      });
      socket.once("close", () => proven.reject(endedEarly(address)));
      socket.once("secureConnect", () => {
        const judged = judge(socket);
        if ("refusal" in judged) {
          proven.reject(noPeer(address, judged.refusal));
          socket.destroy();
          return;
        }
        const connection = new NodeTlsConnection(socket, judged.name);
        const steps = readVerdict(address, connection, open);
        connection.begin(() => untilProven(address, connection, steps, proven));
      });
      return proven.promise;
    });
  }
}

const callerOf = ({ remoteAddress, remotePort }: Socket): string =>
  `${remoteAddress} ${remotePort}`;

function welcome(
  connection: NodeTlsConnection,
  accept: (connection: Connection) => Receiver,
): void {
  connection.send([WELCOME], { urgent: true });
  try {
    connection.begin(accept);
  } catch {
    // `accept` refused it, and it is closed.
  }
}

function judge(socket: TLSSocket): Judgement {
  return judgeCertificate({
    authorized: socket.authorized && !socket.authorizationError,
    protocol: socket.getProtocol(),
    certificate: socket.getPeerCertificate(),
  });
}

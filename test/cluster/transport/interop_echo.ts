// The other runtime's side of interop.test.ts: listens once for each way of securing connections and
// sends everything back; dials the test's own listeners and says whom it takes them for.
import process from "node:process";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import type { TlsIdentity } from "../../../cluster/transport/security.ts";
import type {
  Address,
  Connection,
  Receiver,
  Transport,
} from "../../../cluster/transport/transport.ts";
import { bothSockets } from "./both_sockets.ts";

/** What the test gives as the argument, in JSON. */
export interface EchoTask {
  readonly identity: TlsIdentity;
  readonly secret: string;
  /** Where the test listens, by transport. */
  readonly addresses: readonly Address[];
}

/** By certificate, then plainly and by secret, each over both kinds of sockets: in one order for both. */
export const transportsOf = (identity: TlsIdentity, secret: string): readonly Transport[] => [
  openTransport({ kind: "tls", ...identity }),
  ...bothSockets.flatMap(({ sockets }) => [
    openTransport({ kind: "plain" }, { sockets }),
    openTransport({ kind: "secret", secret: new TextEncoder().encode(secret) }, { sockets }),
  ]),
];

class Echo implements Receiver {
  #space = new Uint8Array(0);

  constructor(private readonly connection: Connection) {}

  space(): Uint8Array {
    this.#space = new Uint8Array(65536);
    return this.#space;
  }

  filled(count: number): void {
    this.connection.send([this.#space.subarray(0, count)]);
  }

  closed(): void {}
}

async function serve({ identity, secret, addresses }: EchoTask): Promise<void> {
  const ports: number[] = [];
  for (const [i, transport] of transportsOf(identity, secret).entries()) {
    const echo = (connection: Connection): Receiver => new Echo(connection);
    const listener = await transport.listen({ host: "127.0.0.1", port: 0 }, echo);
    ports.push(listener.address.port);
    const connection = await transport.connect(addresses[i], echo);
    connection.send([new TextEncoder().encode(`you are ${connection.proven}`)]);
  }
  console.log(JSON.stringify(ports));
}

if (import.meta.main) await serve(JSON.parse(process.argv[2]));

// Callers that prove nothing: they are few at a time, not for long, and disturb nobody.
import { expect, test } from "bun:test";
import { connect as dialTcp, type Socket } from "node:net";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import type { Security } from "../../../cluster/transport/security.ts";
import { bothSockets, runtimeSockets } from "./both_sockets.ts";
import { identityOf } from "./identities.ts";
import { connectPair, type Pair } from "./pair.ts";
import { Recorder } from "./recorder.ts";

const limits = { patience: 400, unproven: 8 };

const tls: Security = { kind: "tls", ...identityOf("a") };
const secret: Security = { kind: "secret", secret: new Uint8Array(32).fill(7) };
const ways = [
  { security: tls, ...runtimeSockets },
  ...bothSockets.map((each) => ({ security: secret, ...each })),
];

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** Opens a connection that says nothing, or only begins to say something. */
function halfOpen(
  address: Pair["listener"]["address"],
  says: Uint8Array,
  closed: () => void,
): Socket {
  const socket = dialTcp(address.port, address.host, () => socket.write(says));
  socket.on("error", () => undefined);
  socket.on("data", () => undefined);
  socket.on("close", closed);
  return socket;
}

for (const { security, name, sockets } of ways) {
  test(`200 half-open callers disturb no ${security.kind} connection by ${name}, and are turned out`, async () => {
    const transport = openTransport(security, { limits, sockets });
    const pair = await connectPair(transport);
    const { address } = pair.listener;
    let gone = 0;
    const beginning = [
      new Uint8Array(0),
      new Uint8Array([0x16, 3, 1]),
      new TextEncoder().encode("weft"),
    ];
    const callers = Array.from({ length: 200 }, (_, i) =>
      halfOpen(address, beginning[i % beginning.length], () => gone++),
    );
    const ping = new Uint8Array(200_000).fill(1);
    for (let round = 1; round <= 5; round++) {
      pair.dialler.send([ping]);
      await pair.toAcceptor.bytes(round * ping.length);
    }
    await until(() => gone >= callers.length - limits.unproven);
    const newcomer = await transport.connect(address, () => new Recorder());
    await until(() => gone === callers.length);
    pair.acceptor.send([ping]);
    await pair.toDialler.bytes(ping.length);
    expect([pair.toDialler.ends, pair.toAcceptor.ends]).toEqual([[], []]);
    newcomer.close();
    pair.close();
  });
}

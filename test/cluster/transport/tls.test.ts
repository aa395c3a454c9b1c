// Who is taken for a peer over TLS, and what the others are told.
import { expect, test } from "bun:test";
import { connect as dialTls } from "node:tls";
import { issueAuthority } from "../../../cluster/certificates/issue.ts";
import { BunTlsTransport } from "../../../cluster/transport/bun_tls_transport.ts";
import { DenoTlsTransport } from "../../../cluster/transport/deno_tls_transport.ts";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import type { TlsIdentity } from "../../../cluster/transport/security.ts";
import { ConnectError, type Transport } from "../../../cluster/transport/transport.ts";
import { UserError } from "../../../src/config/user_error.ts";
import { days, identityOf } from "./identities.ts";
import { connectPair, HERE } from "./pair.ts";
import { Recorder } from "./recorder.ts";

const limits = { patience: 2000, unproven: 64 };

/** Does not look at its own certificate first, as openTransport() does. */
const careless = (identity: TlsIdentity): Transport =>
  "Bun" in globalThis
    ? new BunTlsTransport(identity, limits)
    : new DenoTlsTransport(identity, limits);

const good = identityOf("good");
const rogueAuthority = issueAuthority("weft cluster", days(-1, 1));

const bad: readonly { what: string; identity: TlsIdentity; told: RegExp }[] = [
  {
    what: "of another authority of the same name",
    identity: identityOf("mallory", { by: rogueAuthority }),
    told: /certificate "mallory" is of another authority; make those of all peers .* same ca.pem/,
  },
  {
    what: "that has expired",
    identity: identityOf("late", { period: days(-2, -1) }),
    told: /certificate "late" expired on .*; make a new one, or check the clocks/,
  },
  {
    what: "that is not valid yet",
    identity: identityOf("early", { period: days(1, 2) }),
    told: /certificate "early" holds only from .* on; check the clocks of both machines/,
  },
  {
    what: "of the authority that serves something else",
    identity: identityOf("web", { role: "example.org" }),
    told: /certificate "web" is not a peer's .* weft cluster certificates/,
  },
];

/** Dials, and expects to be told that it is pointless; nobody gets a connection. */
async function refusal(accepting: Transport, dialling: Transport): Promise<string> {
  let connections = 0;
  const take = (): Recorder => {
    connections++;
    return new Recorder();
  };
  const listener = await accepting.listen(HERE, take);
  const error = await dialling.connect(listener.address, take).catch((reason) => reason);
  listener.close();
  expect(connections).toBe(0);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error.permanent).toBe(true);
  return error.message;
}

for (const { what, identity, told } of bad) {
  test(`who dials with a certificate ${what} is told so, and not heard`, async () => {
    const message = await refusal(openTransport({ kind: "tls", ...good }), careless(identity));
    expect(message).toMatch(told);
    expect(message).toContain("refuses us");
  });

  test(`who listens with a certificate ${what} is not talked to`, async () => {
    const message = await refusal(careless(identity), openTransport({ kind: "tls", ...good }));
    expect(message).toMatch(told);
    expect(message).toContain("is no peer of ours");
  });
}

test("each side learns the other's name from its certificate", async () => {
  const pair = await connectPair(careless(identityOf("left")), careless(identityOf("right")));
  expect(pair.dialler.proven).toBe("left");
  expect(pair.acceptor.proven).toBe("right");
  pair.close();
});

/** Dials as anybody can, writes at once, and returns what it is told. */
async function intrude(options: { cert?: string; key?: string; maxVersion?: "TLSv1.2" }) {
  let connections = 0;
  const listener = await openTransport({ kind: "tls", ...good }).listen(HERE, () => {
    connections++;
    return new Recorder();
  });
  const { host, port } = listener.address;
  const told = await new Promise<string>((resolve) => {
    let text = "";
    const socket = dialTls({ host, port, rejectUnauthorized: false, ...options }, () =>
      socket.write("let me in"),
    );
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
  listener.close();
  expect(connections).toBe(0);
  return told;
}

test("who shows no certificate is told so, and not heard", async () => {
  expect(await intrude({})).toContain("no certificate was shown; make one with");
});

test("TLS 1.2 is refused, even with a good certificate", async () => {
  const { cert, key } = good;
  const told = await intrude({ cert, key, maxVersion: "TLSv1.2" });
  expect(["", "TLSv1.2 is spoken instead of TLSv1.3"]).toContain(told.slice(2));
});

const mistakes: readonly (readonly [string, TlsIdentity, string])[] = [
  ["an expired certificate", identityOf("late", { period: days(-2, -1) }), "expired on"],
  ["one that is not valid yet", identityOf("early", { period: days(1, 2) }), "check the clocks"],
  [
    "another peer's key",
    { ...good, key: identityOf("other").key },
    "does not belong to the private",
  ],
  ["another authority", { ...good, ca: rogueAuthority.cert }, "is not signed by the authority"],
  ["one that is no peer's", identityOf("web", { role: "example.org" }), "is not a peer's"],
  [
    "no certificate at all",
    { ...good, cert: "junk" },
    "the certificate: cannot be read as a certificate",
  ],
  ["no key", { ...good, key: "junk" }, "the private key: cannot be read as a private key"],
];

for (const [what, identity, text] of mistakes) {
  test(`openTransport() refuses ${what} before others do`, () => {
    const open = () => openTransport({ kind: "tls", ...identity });
    expect(open).toThrow(UserError);
    expect(open).toThrow(text);
  });
}

// Who has a peer's certificate, which is no secret, but not its key. The runtimes themselves refuse to
// load such a pair, so openssl plays the impostor: to it a private key belongs to a certificate if the
// public key that is written into its file does.
import { afterAll, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import type { TlsIdentity } from "../../../cluster/transport/security.ts";
import { identityOf } from "./identities.ts";
import { HERE } from "./pair.ts";
import { Recorder } from "./recorder.ts";

const { status } = spawnSync("openssl", ["version"]);
const testWithOpenssl = status === 0 ? test : test.skip;

const folder = mkdtempSync(join(tmpdir(), "weft-impostor-"));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** At the end of a private key's file: the coordinates of the public key. */
const POINT = 64;

const derOf = (pem: string): Uint8Array =>
  new Uint8Array(createPrivateKey(pem).export({ type: "pkcs8", format: "der" }));

/** Another key that says of itself that it belongs to the victim's certificate. */
function forgedKey(victim: TlsIdentity): string {
  const der = derOf(identityOf("impostor").key);
  der.set(derOf(victim.key).subarray(-POINT), der.length - POINT);
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n");
}

/** openssl's flags for an identity. */
function flagsOf(name: string, { cert, key, ca }: TlsIdentity): string[] {
  const file = (suffix: string, text: string): string => {
    const path = join(folder, `${name}-${suffix}.pem`);
    writeFileSync(path, text);
    return path;
  };
  const files = ["-cert", file("cert", cert), "-key", file("key", key), "-CAfile", file("ca", ca)];
  return [...files, "-tls1_3", "-quiet"];
}

function openssl(...args: string[]): ChildProcess {
  const child = spawn("openssl", args, { stdio: ["pipe", "ignore", "ignore"] });
  children.push(child);
  return child;
}

const ours = openTransport({ kind: "tls", ...identityOf("ours") });
const victim = identityOf("victim");
const cases: readonly (readonly [string, TlsIdentity, boolean])[] = [
  ["with its key", victim, true],
  ["without its key", { ...victim, key: forgedKey(victim) }, false],
];

for (const [what, identity, welcome] of cases) {
  const fate = welcome ? "is taken for it" : "is not taken for it";

  testWithOpenssl(`who dials with a peer's certificate ${what} ${fate}`, async () => {
    const names: (string | undefined)[] = [];
    const listener = await ours.listen(HERE, (connection) => {
      names.push(connection.proven);
      connection.close();
      return new Recorder();
    });
    const { port } = listener.address;
    const child = openssl("s_client", "-connect", `127.0.0.1:${port}`, ...flagsOf(what, identity));
    await new Promise((resolve) => child.on("close", resolve));
    listener.close();
    expect(names).toEqual(welcome ? ["victim"] : []);
  });

  testWithOpenssl(`who listens with a peer's certificate ${what} ${fate}`, async () => {
    const port = await freePort();
    const child = openssl(
      "s_server",
      "-accept",
      `127.0.0.1:${port}`,
      "-verify",
      "1",
      ...flagsOf(what, identity),
    );
    child.stdin?.write("\x01"); // "welcome", once somebody is there
    const dial = () =>
      ours
        .connect({ host: "127.0.0.1", port }, () => new Recorder())
        .then(({ proven }) => `connected with ${proven}`)
        .catch((error) => error.message);
    let outcome = await dial();
    while (outcome.includes("nobody listens there")) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      outcome = await dial();
    }
    expect(outcome).toMatch(
      welcome ? /^connected with victim$/ : /ended before both sides had proven/,
    );
  });
}

/** A port that is free now. */
function freePort(): Promise<number> {
  return new Promise((found) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => found(typeof address === "object" && address ? address.port : 0));
    });
  });
}

// A cluster of both runtimes: each dials the other, in every way of securing connections.
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Address, Listener } from "../../../cluster/transport/transport.ts";
import { identityOf } from "./identities.ts";
import { type EchoTask, transportsOf } from "./interop_echo.ts";
import { HERE } from "./pair.ts";
import { Recorder } from "./recorder.ts";

const bin = join(import.meta.dirname, "../../../node_modules/.bin");
const [other, ...flags] =
  "Bun" in globalThis ? [join(bin, "deno"), "run", "-A", "--no-check"] : [join(bin, "bun")];

/** Starts the other runtime. @returns its ports, and how to end it. */
async function startOther(task: EchoTask): Promise<{ ports: number[]; end: () => void }> {
  const script = join(import.meta.dirname, "interop_echo.ts");
  const child = spawn(other, [...flags, script, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(child.stdout)) {
    return { ports: JSON.parse(line), end: () => child.kill("SIGKILL") };
  }
  throw new Error(`${other} ended without a word`);
}

test("Bun and Deno understand each other, whichever dials", async () => {
  const secret = "known to both runtimes";
  const transports = transportsOf(identityOf("this"), secret);
  const heard = transports.map(() => new Recorder());
  const names: (string | undefined)[] = [];
  const listeners: Listener[] = [];
  for (const [i, transport] of transports.entries()) {
    const listener = await transport.listen(HERE, ({ proven }) => {
      names[i] = proven;
      return heard[i];
    });
    listeners.push(listener);
  }
  const addresses: readonly Address[] = listeners.map(({ address }) => address);
  const child = await startOther({ identity: identityOf("other"), secret, addresses });

  const pattern = Uint8Array.from({ length: 2 ** 20 }, (_, i) => (i * 31) ^ (i >> 8));
  for (const [i, transport] of transports.entries()) {
    const echo = new Recorder();
    const address = { host: "127.0.0.1", port: child.ports[i] };
    const connection = await transport.connect(address, () => echo);
    connection.send([pattern]);
    expect(Buffer.from(await echo.bytes(pattern.length)).equals(pattern)).toBe(true);
    expect(connection.proven).toBe(i === 0 ? "other" : undefined);
    const said = `you are ${i === 0 ? "this" : undefined}`;
    expect(await heard[i].text(said.length)).toBe(said);
    connection.close();
  }
  expect(names).toEqual(["other", ...transports.slice(1).map(() => undefined)]);
  for (const listener of listeners) listener.close();
  child.end();
});

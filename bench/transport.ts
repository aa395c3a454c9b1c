// One-way rate of a connection between two processes on loopback, and the CPU time that a gigabyte costs
// on either side. `bun bench/transport.ts` prints a table in Markdown, for Bun and for Deno.
import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { issueAuthority, issueCertificate } from "../cluster/certificates/issue.ts";
import { openSockets, type SocketChoice } from "../cluster/transport/open_sockets.ts";
import { openTransport } from "../cluster/transport/open_transport.ts";
import { PEER_ROLE } from "../cluster/transport/peer_role.ts";
import type { Security, TlsIdentity } from "../cluster/transport/security.ts";
import type { Receiver, Transport } from "../cluster/transport/transport.ts";
import { median } from "./support/statistics.ts";

const GB = 1e9;

/** What is sent at a time: a header, and as much as a piece of gradients has. */
const FRAME = [new Uint8Array(30), new Uint8Array(new SharedArrayBuffer(512 * 1024)).fill(7)];
const FRAME_BYTES = 30 + 512 * 1024;
const FRAMES = Math.round((2 * GB) / FRAME_BYTES);
const WARM_UP = Math.round(FRAMES / 10);

type Runtime = "bun" | "deno";
type Kind = Security["kind"];

/** One way of sending, as an argument of a process. */
interface Way {
  readonly security: { readonly kind: Kind } & Partial<TlsIdentity>;
  readonly sockets: SocketChoice;
}

/** Frames that wait at a time. */
const WINDOW = 8;

const RUNS = 3;

const WAYS = [
  ["plain", "libc"],
  ["plain", "runtime"],
  ["secret", "runtime"],
  ["tls", "runtime"],
] as const;

interface Side {
  /** CPU-seconds for a gigabyte. */
  readonly cpu: number;
}

interface Received extends Side {
  /** GB/s */
  readonly rate: number;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Counts what arrives in one place of shared memory, as gradients do. */
class Sink implements Receiver {
  readonly #space = new Uint8Array(new SharedArrayBuffer(512 * 1024));
  readonly #done = Promise.withResolvers<Received>();
  #received = 0;
  #began = { at: 0, bytes: 0, cpu: 0 };

  space(): Uint8Array {
    return this.#space;
  }

  filled(count: number): void {
    this.#received += count;
    if (this.#began.bytes === 0 && this.#received >= WARM_UP * FRAME_BYTES) {
      this.#began = { at: performance.now(), bytes: this.#received, cpu: cpuSeconds() };
    }
    if (this.#received === FRAMES * FRAME_BYTES) {
      const { at, bytes, cpu } = this.#began;
      const amount = (this.#received - bytes) / GB;
      const seconds = (performance.now() - at) / 1000;
      this.#done.resolve({ rate: amount / seconds, cpu: (cpuSeconds() - cpu) / amount });
    }
  }

  closed(): void {}

  get done(): Promise<Received> {
    return this.#done.promise;
  }
}

const day = 24 * 3600 * 1000;
const period = { from: new Date(Date.now() - day), to: new Date(Date.now() + day) };
const authority = issueAuthority("bench", period);
const identity = { ...issueCertificate("bench", PEER_ROLE, authority, period), ca: authority.cert };

const toArgument = (kind: Kind, sockets: SocketChoice): string =>
  JSON.stringify({ security: { kind, ...(kind === "tls" && identity) }, sockets } satisfies Way);

async function transportOf(text: string): Promise<Transport> {
  const { security: given, sockets: choice } = JSON.parse(text) as Way;
  const security = (
    given.kind === "secret" ? { ...given, secret: new Uint8Array(32) } : given
  ) as Security;
  const { sockets } = await openSockets(choice, security);
  return openTransport(security, { sockets });
}

async function receive(transport: Transport): Promise<void> {
  const sink = new Sink();
  const listener = await transport.listen({ host: "127.0.0.1", port: 0 }, () => sink);
  console.log(listener.address.port);
  console.log(JSON.stringify(await sink.done));
  process.exit(0);
}

async function send(transport: Transport, port: number): Promise<void> {
  const address = { host: "127.0.0.1", port };
  const connection = await transport.connect(address, () => new Sink());
  let [begun, sent, cpu] = [0, 0, 0];
  const next = (): void => {
    if (begun++ < FRAMES) connection.send(FRAME, { sent: done });
  };
  const done = (): void => {
    sent++;
    if (sent === WARM_UP) cpu = cpuSeconds();
    if (sent < FRAMES) next();
    else report();
  };
  const report = (): void => {
    const amount = ((FRAMES - WARM_UP) * FRAME_BYTES) / GB;
    console.log(JSON.stringify({ cpu: (cpuSeconds() - cpu) / amount }));
    setTimeout(() => process.exit(0), 500);
  };
  for (let i = 0; i < WINDOW; i++) next();
}

/** Starts this file on a runtime as one side. */
function start(runtime: Runtime, ...task: readonly string[]): AsyncIterator<string> {
  const program = join(import.meta.dirname, "../node_modules/.bin", runtime);
  const flags = runtime === "deno" ? ["run", "-A", "--no-check"] : [];
  const child = spawn(program, [...flags, import.meta.filename, ...task], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return createInterface(child.stdout)[Symbol.asyncIterator]();
}

const line = async (lines: AsyncIterator<string>): Promise<string> => {
  const { value, done } = await lines.next();
  if (done) throw new Error("a side of the connection ended early");
  return value;
};

interface Run extends Received {
  readonly sendingCpu: number;
}

async function runOnce(runtime: Runtime, way: string): Promise<Run> {
  const receiver = start(runtime, "receive", way);
  const sender = start(runtime, "send", way, await line(receiver));
  const sending: Side = JSON.parse(await line(sender));
  const received: Received = JSON.parse(await line(receiver));
  return { ...received, sendingCpu: sending.cpu };
}

async function printTable(): Promise<void> {
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores; ${RUNS} runs of ${(FRAMES * FRAME_BYTES) / GB} GB`,
  );
  console.log("\nGB/s: median (best). CPU: seconds for a gigabyte, median.\n");
  console.log("| runtime | security | sockets | GB/s | CPU to send | CPU to receive |");
  console.log("|---|---|---|--:|--:|--:|");
  for (const runtime of ["bun", "deno"] as const) {
    for (const [kind, sockets] of WAYS) {
      const runs: Run[] = [];
      for (let i = 0; i < RUNS; i++) runs.push(await runOnce(runtime, toArgument(kind, sockets)));
      const rates = runs.map(({ rate }) => rate);
      const rate = `${median(rates).toFixed(2)} (${Math.max(...rates).toFixed(2)})`;
      const toSend = median(runs.map(({ sendingCpu }) => sendingCpu)).toFixed(2);
      const toReceive = median(runs.map(({ cpu }) => cpu)).toFixed(2);
      console.log(`| ${[runtime, kind, sockets, rate, toSend, toReceive].join(" | ")} |`);
    }
  }
}

const [, , role, way, port] = process.argv;
if (role === "receive") await receive(await transportOf(way));
else if (role === "send") await send(await transportOf(way), Number(port));
else await printTable();

// Entry of the communication thread: sockets, framing, heartbeats and sums go on while the main thread
// computes without a pause.
import { writeSync } from "node:fs";
import process from "node:process";
import { UserError } from "../../src/config/user_error.ts";
import { openArithmetic } from "../collective/codec.ts";
import { openFence } from "../fence/open_fence.ts";
import { openTransport } from "../transport/open_transport.ts";
import type { Connection, Listener, Receiver, Transport } from "../transport/transport.ts";
import { encodeControl } from "../wire/encode_control.ts";
import { garbageCollector } from "./collect_garbage.ts";
import { NOT_READY, tellAll } from "./last_word.ts";
import { ClusterNode } from "./node.ts";
import type { Event, Request } from "./protocol.ts";

declare const self: {
  onmessage: ((event: { data: Request }) => void) | null;
  postMessage(event: Event): void;
};

const tell = (event: Event): void => self.postMessage(event);

let transport: Transport | undefined;
let listener: Listener | undefined;
let node: ClusterNode | undefined;
let timer: ReturnType<typeof setInterval> | undefined;

/** Milliseconds between two looks at the time: a fraction of what a silent peer is allowed. */
const tickEvery = (patience: number): number => Math.min(250, Math.max(20, patience / 10));

/** Milliseconds for which one that is sent away may read why; and for which this process outlives its end. */
const LINGERS = 500;

/** Who comes before this peer knows the others is sent away, and comes again. */
const notYet = (connection: Connection): Receiver => {
  connection.send([encodeControl({ t: "refuse", reason: NOT_READY, fatal: false })]);
  setTimeout(() => connection.close(), LINGERS);
  return { space: () => new Uint8Array(4096), filled: () => undefined, closed: () => undefined };
};

/** Only a signal ends a process whose main thread hangs: the error is written here. */
const hangs = (reason: string): void => {
  const remedy =
    "see what it was doing; if that may take so long, raise --hang-timeout on all peers";
  writeSync(process.stderr.fd, `weft: cluster: ${reason};\n  ${remedy}\n`);
  setTimeout(() => process.kill(process.pid, "SIGKILL"), LINGERS);
};

async function listen(request: Extract<Request, { kind: "listen" }>): Promise<void> {
  transport = openTransport(request.security);
  listener = await transport.listen(
    request.address,
    (connection) => (node ? node.accept(connection) : notYet(connection)),
    (remote, reason) => node?.refused(remote, reason),
  );
  tell({ kind: "listening", address: listener.address });
}

async function start(request: Extract<Request, { kind: "start" }>): Promise<void> {
  if (!transport) throw new Error("cluster: started before it listens");
  const { settings, numbers, step, own, addresses } = request;
  node = new ClusterNode({
    ...{ settings, numbers, step, own, transport, tell },
    arithmetic: await openArithmetic(numbers.memory),
    addresses: new Map(addresses),
    fence: settings.fence === undefined ? undefined : openFence(settings.fence),
    now: () => performance.now(),
    ...{ hangs, received: garbageCollector() },
  });
  timer = setInterval(() => node?.tick(), tickEvery(settings.patience));
  node.tick();
}

async function decline(request: Extract<Request, { kind: "decline" }>): Promise<void> {
  const { addresses, reason, patience } = request;
  if (transport) await tellAll(transport, addresses, reason, patience);
  tell({ kind: "left" });
}

function close(): void {
  clearInterval(timer);
  node?.close();
  listener?.close();
}

self.onmessage = async ({ data: request }) => {
  try {
    if (request.kind === "listen") await listen(request);
    else if (request.kind === "start") await start(request);
    else if (request.kind === "decline") await decline(request);
    else if (request.kind === "close") close();
    else node?.request(request);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tell({ kind: "failed", reason, isMistake: error instanceof UserError });
  }
};

// One peer of bench/allreduce.ts: the node that runs in the communication thread, reducing over and over.
//   bun bench/support/allreduce_peer.ts RANK HOST:PORT,... BYTES WIRE STEPS [SOCKETS]
import process from "node:process";
import { codecBytes, openArithmetic } from "../../cluster/collective/codec.ts";
import { scratchBytes } from "../../cluster/collective/reduction_memory.ts";
import { garbageCollector } from "../../cluster/peer/collect_garbage.ts";
import { useLargePages } from "../../cluster/peer/large_pages.ts";
import { ClusterNode } from "../../cluster/peer/node.ts";
import type { Event } from "../../cluster/peer/protocol.ts";
import { openSockets, type SocketChoice } from "../../cluster/transport/open_sockets.ts";
import { openTransport } from "../../cluster/transport/open_transport.ts";
import type { Wire } from "../../cluster/wire/frame.ts";
import { INITIAL_PAGES, MAXIMUM_PAGES, PAGE_BYTES } from "../../kernels/pages.ts";

const [rankText, list, bytesText, wireText, stepsText, choice] = process.argv.slice(2);
const rank = Number(rankText);
const addresses = list.split(",").map((address) => {
  const [host, port] = address.split(":");
  return { host, port: Number(port) };
});
const peers = addresses.length;
const elements = Number(bytesText) / 4;
const wire = wireText as Wire;
/** As gloo_allreduce.py: code that is new is interpreted, and then compiled beside the work. */
const warmUp = Math.max(
  Number(stepsText),
  Math.min(600, Math.round((600 * 2 ** 20) / Number(bytesText))),
);

const gradients = [{ address: PAGE_BYTES, elements }];
const scratch = {
  address: PAGE_BYTES + 4 * elements,
  bytes: scratchBytes(gradients, codecBytes(wire), peers),
};
const pages = Math.max(INITIAL_PAGES, Math.ceil((scratch.address + scratch.bytes) / PAGE_BYTES));
const memory = new WebAssembly.Memory({ initial: pages, maximum: MAXIMUM_PAGES, shared: true });
const values = new Float32Array(memory.buffer, PAGE_BYTES, elements);
/** Copied, which takes as long as torch's fill_ and half as long as fill. */
const fresh = new Float32Array(elements).fill(rank + 1);

const { sockets } = await openSockets((choice ?? "auto") as SocketChoice, { kind: "plain" });
const transport = openTransport({ kind: "plain" }, { sockets });
if (sockets) useLargePages(sockets.libc, { memory, gradients, scratch });
let step = 0;
let generation = 0;
let expected = 0;
const times: number[] = [];
let began = 0;
let cpu = process.cpuUsage();
let traffic = 0;

const node: ClusterNode = new ClusterNode({
  settings: {
    ...{ rank, size: peers, incarnation: rank + 1, job: "bench", joining: false, wire },
    ...{ agreement: {}, patience: 10_000, hangsAfter: 600_000, counts: "update", fence: undefined },
  },
  numbers: { memory, gradients, state: gradients, parameterBlocks: 0, microBatches: 0, scratch },
  arithmetic: await openArithmetic(memory),
  transport,
  own: addresses[rank],
  addresses: new Map(addresses.entries()),
  fence: undefined,
  step: 0,
  now: () => performance.now(),
  ...(sockets ? {} : { received: garbageCollector() }),
  tell: (event) => heard(event),
  hangs(reason) {
    throw new Error(reason);
  },
});
await transport.listen(addresses[rank], (connection) => node.accept(connection));
const timer = setInterval(() => node.tick(), 100);
node.tick();

function heard(event: Event): void {
  if (event.kind === "view") {
    ({ generation } = event.view);
    node.request({ kind: "installed", generation });
  } else if (event.kind === "assembled") reduce();
  else if (event.kind === "update") reduced(event.exchange);
  else if (event.kind === "failed") throw new Error(event.reason);
}

function reduce(): void {
  values.set(fresh);
  expected = (peers * (peers + 1)) / 2;
  began = performance.now();
  node.request({
    ...{ kind: "begin", generation, step },
    slots: Array.from({ length: peers }, (_, i) => i),
  });
  node.request({ kind: "sums", generation, step, rows: [], busy: 0 });
  node.request({ kind: "final", generation, step, slot: rank, elements });
}

function reduced({ sent, received }: { sent: number; received: number }): void {
  const now = performance.now();
  times.push(now - began);
  traffic += sent + received;
  for (const i of [0, elements >> 1, elements - 1]) {
    if (values[i] !== expected) throw new Error(`element ${i} is ${values[i]}, not ${expected}`);
  }
  step++;
  if (step === warmUp) {
    times.length = 0;
    traffic = 0;
    cpu = process.cpuUsage();
  }
  // All peers stop after the same step: by count, not by time.
  if (step === Number(stepsText) + warmUp) finish();
  else setImmediate(reduce);
}

function finish(): void {
  const { user, system } = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  console.log(
    JSON.stringify({
      rank,
      median: times[times.length >> 1],
      best: times[0],
      cpuPerGb: (user + system) / 1e6 / (traffic / 1e9),
    }),
  );
  clearInterval(timer);
  setTimeout(() => process.exit(0), 300);
}

// weft serve under load: clients that each ask for one sentence after the other. What 16 of them get beside
// what one gets, because requests that run together share the decoder's steps, and the slowest answers.
//
//   bun bench/edge_server.ts BUNDLE SOURCES [--clients 1,4,16] [--seconds 10] [--threads 1] [--beam 1,5]
//     [--max-len 200] [--runtime bun|deno]
//
// SOURCES holds a sentence on each line, as the bundle's tokeniser takes it.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePort, installed, startServer } from "../test/edge/platforms.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: "string", default: "1,4,16" },
    seconds: { type: "string", default: "10" },
    threads: { type: "string", default: "1" },
    beam: { type: "string", default: "1,5" },
    "max-len": { type: "string", default: "200" },
    runtime: { type: "string", default: "bun" },
  },
});
const [bundle, sourceFile] = positionals;
const program = installed(values.runtime);
if (bundle === undefined || sourceFile === undefined || program === undefined) {
  console.error("usage: bun bench/edge_server.ts BUNDLE SOURCES [--runtime bun|deno]");
  process.exit(2);
}
const sources = readFileSync(sourceFile, "utf8").trimEnd().split("\n");
const main = resolve(dirname(fileURLToPath(import.meta.url)), "../src/cli/main.ts");
const flags = values.runtime === "deno" ? ["run", "-A"] : [];

interface Load {
  readonly sentences: number;
  readonly seconds: number;
  /** Milliseconds, ascending. */
  readonly latencies: readonly number[];
}

async function load(port: number, clients: number, beam: number, seconds: number): Promise<Load> {
  const latencies: number[] = [];
  let next = 0;
  const began = performance.now();
  const end = began + 1000 * seconds;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const text = sources[next++ % sources.length];
      const asked = performance.now();
      const response = await fetch(`http://127.0.0.1:${port}/v1/translate`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ text, beam, max_len: Number(values["max-len"]) }),
      });
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
      await response.arrayBuffer();
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  latencies.sort((a, b) => a - b);
  return { sentences: latencies.length, seconds: (performance.now() - began) / 1000, latencies };
}

const port = await freePort();
const limits = ["--max-concurrent", "64", "--threads", values.threads, "--port", `${port}`];
const server = await startServer([program, ...flags, main, "serve", bundle, ...limits], { port });
console.log(
  `weft serve on ${values.runtime}, ${values.threads} threads, ${cpus()[0]?.model.trim()}\n`,
);
console.log("| beam | clients | sentences/s | to one client | p50, ms | p99, ms |");
console.log("|--:|--:|--:|--:|--:|--:|");
for (const beam of values.beam.split(",").map(Number)) {
  await load(port, 4, beam, 2); // warm
  let alone: number | undefined;
  for (const clients of values.clients.split(",").map(Number)) {
    const { sentences, seconds, latencies } = await load(
      port,
      clients,
      beam,
      Number(values.seconds),
    );
    const rate = sentences / seconds;
    alone ??= rate;
    const at = (share: number): string => latencies[Math.floor(share * (sentences - 1))].toFixed(1);
    const ratio = (rate / alone).toFixed(2);
    console.log(`| ${[beam, clients, rate.toFixed(1), ratio, at(0.5), at(0.99)].join(" | ")} |`);
  }
}
await server.stop();

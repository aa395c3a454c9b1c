// From nothing to the first answer of a worker under workerd: a bundle of 47 million parameters (6 + 6
// layers, width 512) in int8, its files in the system's cache. Each time a new process.
//
//   bun bench/edge_cold_start.ts [--times 7] [--symbols 6000]
//
// "request" is the first request's time with the process listening already: the model is loaded by it, and
// four words are translated, at most four words long. "process" begins before workerd does.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { gzipSync } from "fflate";
import { buildEdge } from "../edge/build.ts";
import { artefacts } from "../edge/platforms/artefacts.ts";
import { deploy } from "../edge/platforms/deploy.ts";
import { workerdPlatform } from "../edge/platforms/deploy_workerd.ts";
import { askServer, freePort, installed, startServer } from "../test/edge/platforms.ts";
import { randomBundle } from "./support/random_bundle.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    times: { type: "string", default: "7" },
    symbols: { type: "string", default: "6000" },
  },
});
const program = installed("workerd");
if (program === undefined) {
  console.error("workerd is not installed: run npm ci");
  process.exit(2);
}
await buildEdge();
const folder = mkdtempSync(join(tmpdir(), "weft-cold-"));
const bundle = join(folder, "random");
mkdirSync(bundle);
for (const [name, bytes] of await randomBundle(Number(values.symbols), "int8")) {
  writeFileSync(join(bundle, name), bytes);
}
const out = join(folder, "worker");
await deploy(workerdPlatform, { bundles: [bundle], out, artefacts });

const requests: number[] = [];
const processes: number[] = [];
for (let time = 0; time < Number(values.times); time++) {
  const port = await freePort();
  const command = [program, "serve", "config.capnp", `--socket-addr=http=127.0.0.1:${port}`];
  const began = performance.now();
  const server = await startServer(command, { cwd: out, port, isCold: true });
  const asked = performance.now();
  await askServer(port, ["w1 w2 w3 w4"], { beam: 4, max_len: 4 });
  const answered = performance.now();
  requests.push(answered - asked);
  processes.push(answered - began);
  await server.stop("SIGKILL");
}
const files = ["worker.js", "quantised_relaxed.wasm"];
const compressed = await Promise.all(
  files.map(async (name) => gzipSync(await Bun.file(join(out, name)).bytes(), { level: 9 }).length),
);
rmSync(folder, { recursive: true });

const three = (times: number[]): string =>
  [median(times), Math.min(...times), Math.max(...times)].map((t) => t.toFixed(0)).join(" | ");
console.log(`cold start on workerd, ${cpus()[0]?.model.trim()}\n`);
console.log("| | ms (median) | min | max |");
console.log("|---|--:|--:|--:|");
console.log(`| request to first answer | ${three(requests)} |`);
console.log(`| process to first answer | ${three(processes)} |`);
const total = compressed.reduce((sum, bytes) => sum + bytes, 0);
console.log(`\nscript and wasm: ${total} bytes compressed`);

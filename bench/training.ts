// Training speed beside fairseq's: both sides in turn on the same binarised data, with the same
// flags and threads; target tokens per second past the first 20 updates, the largest resident memory,
// and the time of a whole command that makes one update; medians and ratios.
//
//   bun bench/training.ts DATA_BIN [--model quick|small|base] [--pairs 3] [--updates 60] [--peer VENV]
//
// VENV is a Python environment with fairseq 0.12.2 on PyTorch; without it only weft runs.
import { existsSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "./support/statistics.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: "small" },
    pairs: { type: "string", default: "3" },
    updates: { type: "string", default: "60" },
    peer: { type: "string" },
    skip: { type: "string", default: "" },
  },
});
const [data] = positionals;
if (data === undefined || !existsSync(data)) {
  console.error("usage: bun bench/training.ts DATA_BIN [--model small] [--pairs 3] [--peer VENV]");
  process.exit(2);
}

const sides = (width: number, ffn: number, layers: number, heads: number): string[] =>
  ["encoder", "decoder"].flatMap((side) => [
    ...[`--${side}-embed-dim`, `${width}`, `--${side}-ffn-embed-dim`, `${ffn}`],
    ...[`--${side}-layers`, `${layers}`, `--${side}-attention-heads`, `${heads}`],
  ]);
const models: Record<string, string[]> = {
  quick: [...sides(128, 512, 2, 4), "--encoder-normalize-before", "--decoder-normalize-before"],
  small: sides(256, 1024, 3, 4),
  base: sides(512, 2048, 6, 8),
};
const shared = [
  ...["-a", "transformer", ...models[values.model], "--share-all-embeddings", "--dropout", "0.1"],
  ...["--max-tokens", values.model === "quick" ? "1024" : "2048", "--optimizer", "adam"],
  ...["--adam-betas", "(0.9, 0.98)", "--lr", "5e-4", "--lr-scheduler", "inverse_sqrt"],
  ...["--warmup-updates", "400", "--criterion", "label_smoothed_cross_entropy"],
  ...["--label-smoothing", "0.1", "--no-save", "--disable-validation", "--log-format", "json"],
  ...["--log-interval", "10", "--seed", "1"],
];
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

const weft = [process.execPath, main, "train", data, ...shared, "--device", "cpu"];
const contenders: Record<string, readonly string[]> = {
  "weft, BLAS": weft,
  "weft, WASM": [...weft, "--blas", "none"],
};
if (values.peer !== undefined) {
  const program = join(values.peer, "bin/fairseq-train");
  contenders.fairseq = [program, data, ...shared, "--cpu", "--num-workers", "0"];
}

interface Measurement {
  /** Mean of the words per second that the log names, past the first 20 updates. */
  readonly rate: number;
  /** MiB, resident at most. */
  readonly memory: number;
  /** Seconds of a command that makes one update. */
  readonly first: number;
}

function measure(command: readonly string[]): Measurement {
  const began = performance.now();
  run(command, "1");
  const first = (performance.now() - began) / 1000;
  const { log, memory } = run(command, values.updates);
  const rates: number[] = [];
  for (const [, json] of log.matchAll(/train_inner \| (\{.*\})/g)) {
    const line = JSON.parse(json) as { num_updates: string; wps: string };
    if (Number(line.num_updates) > 20) rates.push(Number(line.wps));
  }
  return { rate: rates.reduce((sum, rate) => sum + rate, 0) / rates.length, memory, first };
}

function run(command: readonly string[], updates: string): { log: string; memory: number } {
  const { stdout, stderr, success, resourceUsage } = Bun.spawnSync(
    [...command, "--max-update", updates],
    { env: { ...process.env, OMP_NUM_THREADS: String(availableParallelism()) } },
  );
  const log = `${stdout}\n${stderr}`;
  if (!success) throw new Error(`${command[0]} failed:\n${log.slice(-2000)}`);
  return { log, memory: (resourceUsage?.maxRSS ?? Number.NaN) / 2 ** 20 };
}

const measured = new Map<string, Measurement[]>();
for (let pair = 0; pair < Number(values.pairs); pair++) {
  for (const [name, command] of Object.entries(contenders)) {
    if (values.skip !== "" && name.includes(values.skip)) continue;
    const all = measured.get(name) ?? [];
    measured.set(name, all);
    const one = measure(command);
    all.push(one);
    const numbers = `${one.memory.toFixed(0)} MiB, first update ${one.first.toFixed(1)} s`;
    console.error(`${name}: ${one.rate.toFixed(0)} tokens/s, ${numbers}`);
  }
}

console.log(
  `training ${values.model}, ${availableParallelism()} threads, ${cpus()[0]?.model.trim()}\n`,
);
console.log("| | tokens/s (median) | min | max | ratio | MiB | ratio | first update, s | ratio |");
console.log("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
const peer = measured.get("fairseq");
for (const [name, all] of measured) {
  const rates = all.map(({ rate }) => rate);
  const cells = [median(rates), Math.min(...rates), Math.max(...rates)].map((r) => r.toFixed(0));
  for (const [key, digits] of [
    ["rate", 0],
    ["memory", 0],
    ["first", 1],
  ] as const) {
    if (key !== "rate") cells.push(median(all.map((each) => each[key])).toFixed(digits));
    cells.push(peer ? median(all.map((each, i) => each[key] / peer[i][key])).toFixed(2) : "");
  }
  console.log(`| ${name} | ${cells.join(" | ")} |`);
}

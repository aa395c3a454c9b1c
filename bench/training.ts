// Training speed beside fairseq's: both sides in turn on the same binarised data, with the same
// flags and threads; target tokens per second past the first 20 updates, medians and the ratio.
//
//   bun bench/training.ts DATA_BIN [--model quick|small|base] [--pairs 3] [--updates 60] [--peer VENV]
//
// VENV is a Python environment with fairseq 0.12.2 on PyTorch; without it only weft runs.
import { spawnSync } from "node:child_process";
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
  ...["--log-interval", "10", "--max-update", values.updates, "--seed", "1"],
];
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

const contenders: Record<string, () => number> = {
  "weft, BLAS": () => wps(process.execPath, [main, "train", data, ...shared, "--device", "cpu"]),
  "weft, WASM": () =>
    wps(process.execPath, [main, "train", data, ...shared, "--device", "cpu", "--blas", "none"]),
};
if (values.peer !== undefined) {
  const program = join(values.peer, "bin/fairseq-train");
  contenders.fairseq = () => wps(program, [data, ...shared, "--cpu", "--num-workers", "0"]);
}

/** Mean of the words per second that the log names, past the first 20 updates. */
function wps(program: string, args: readonly string[]): number {
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: { ...process.env, OMP_NUM_THREADS: String(availableParallelism()) },
  });
  if (status !== 0) throw new Error(`${program} failed:\n${stderr.slice(-2000)}`);
  const rates: number[] = [];
  for (const [, json] of `${stdout}\n${stderr}`.matchAll(/train_inner \| (\{.*\})/g)) {
    const line = JSON.parse(json) as { num_updates: string; wps: string };
    if (Number(line.num_updates) > 20) rates.push(Number(line.wps));
  }
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

const measured = new Map<string, number[]>();
for (let pair = 0; pair < Number(values.pairs); pair++) {
  for (const [name, run] of Object.entries(contenders)) {
    if (values.skip !== "" && name.includes(values.skip)) continue;
    const rate = run();
    measured.set(name, [...(measured.get(name) ?? []), rate]);
    console.error(`${name}: ${rate.toFixed(0)} tokens/s`);
  }
}

console.log(
  `training ${values.model}, ${availableParallelism()} threads, ${cpus()[0]?.model.trim()}\n`,
);
console.log("| | tokens/s (median) | min | max | ratio to fairseq |");
console.log("|---|--:|--:|--:|--:|");
const peer = measured.get("fairseq");
for (const [name, rates] of measured) {
  const ratio = peer ? median(rates.map((rate, i) => rate / peer[i])).toFixed(2) : "";
  const row = [median(rates), Math.min(...rates), Math.max(...rates)].map((r) => r.toFixed(0));
  console.log(`| ${name} | ${row.join(" | ")} | ${ratio} |`);
}

// Tokens per second of weft generate beside fairseq-generate: both sides translate the same test set
// with the same .pt checkpoint in turn; what each says of its own search, model loading left out.
//
//   bun bench/generate.ts DATA_BIN CHECKPOINT [--subset test] [--beam 5] [--batch-size 32]
//     [--pairs 3] [--peer VENV] [--skip WASM] [--profile out.json]
//
// VENV is a Python environment with fairseq 0.12.2 on PyTorch; then CHECKPOINT must be fairseq's.
// --profile runs weft once more and writes the time of each op, for Perfetto.
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
    subset: { type: "string", default: "test" },
    beam: { type: "string", default: "5" },
    "batch-size": { type: "string", default: "32" },
    pairs: { type: "string", default: "3" },
    peer: { type: "string" },
    skip: { type: "string", default: "" },
    profile: { type: "string" },
  },
});
const [data, checkpoint] = positionals;
if (data === undefined || checkpoint === undefined || !existsSync(checkpoint)) {
  console.error("usage: bun bench/generate.ts DATA_BIN CHECKPOINT [--pairs 3] [--peer VENV]");
  process.exit(2);
}

const flags = [
  ...[data, "--path", checkpoint, "--gen-subset", values.subset],
  ...["--beam", values.beam, "--batch-size", values["batch-size"]],
];
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const ours = (...more: string[]) => [main, "generate", ...flags, "--device", "cpu", ...more];

/** fairseq 0.12's fused encoder layer fails on padded batches with PyTorch 2.7: the ordinary one instead. */
const peerProgram = [
  "from fairseq.modules.transformer_layer import TransformerEncoderLayerBase as Layer",
  "Layer.load_to_BT = property(lambda self: False, lambda self, value: None)",
  "from fairseq_cli.generate import cli_main",
  "cli_main()",
].join("\n");

const contenders: Record<string, () => number> = {
  "weft, BLAS": () => rateOf(process.execPath, ours()),
  "weft, WASM": () => rateOf(process.execPath, ours("--blas", "none")),
};
if (values.peer !== undefined) {
  const python = join(values.peer, "bin/python");
  contenders.fairseq = () => rateOf(python, ["-c", peerProgram, ...flags, "--cpu"]);
}

/** The tokens per second that the closing line names. */
function rateOf(program: string, args: readonly string[]): number {
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: {
      ...process.env,
      OMP_NUM_THREADS: String(availableParallelism()),
      TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD: "1",
    },
  });
  const rate = /sentences\/s, ([\d.]+) tokens\/s\)/.exec(`${stdout}\n${stderr}`)?.[1];
  if (status === 0 && rate !== undefined) return Number(rate);
  throw new Error(`${program} failed:\n${stderr.slice(-2000)}`);
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
if (values.profile !== undefined) rateOf(process.execPath, ours("--profile", values.profile));

const machine = `${availableParallelism()} threads, ${cpus()[0]?.model.trim()}`;
console.log(`generate, beam ${values.beam}, batches of ${values["batch-size"]}, ${machine}\n`);
console.log("| | tokens/s (median) | min | max | ratio to fairseq |");
console.log("|---|--:|--:|--:|--:|");
const peer = measured.get("fairseq");
for (const [name, rates] of measured) {
  const ratio = peer ? median(rates.map((rate, i) => rate / peer[i])).toFixed(2) : "";
  const row = [median(rates), Math.min(...rates), Math.max(...rates)].map((r) => r.toFixed(0));
  console.log(`| ${name} | ${row.join(" | ")} | ${ratio} |`);
}

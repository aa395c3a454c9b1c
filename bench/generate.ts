// weft generate beside fairseq-generate and CTranslate2 in float32: all translate the same test set with the
// same .pt checkpoint in turn. Tokens per second are what each says of its own search, model loading left
// out; then single sentences, one after the other, on one thread.
//
//   bun bench/generate.ts DATA_BIN CHECKPOINT [--subset test] [--beam 5] [--batch-size 32]
//     [--pairs 3] [--one 100] [--peer VENV] [--skip WASM] [--profile out.json] [-s en -t de]
//
// VENV is a Python environment with fairseq 0.12.2 on PyTorch and CTranslate2; then CHECKPOINT must be
// fairseq's. --profile runs weft once more and writes the time of each op, for Perfetto.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
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
    one: { type: "string", default: "100" },
    peer: { type: "string" },
    skip: { type: "string", default: "" },
    profile: { type: "string" },
    "source-lang": { type: "string", short: "s", default: "en" },
    "target-lang": { type: "string", short: "t", default: "de" },
  },
});
const [data, checkpoint] = positionals;
if (data === undefined || checkpoint === undefined || !existsSync(checkpoint)) {
  console.error("usage: bun bench/generate.ts DATA_BIN CHECKPOINT [--pairs 3] [--peer VENV]");
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
const support = (name: string) => fileURLToPath(new URL(`support/${name}`, import.meta.url));

const flags = [
  ...[data, "--path", checkpoint, "--gen-subset", values.subset],
  ...["-s", values["source-lang"], "-t", values["target-lang"]],
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

/** Tokens per second of the whole set, and milliseconds of single sentences. */
interface Measured {
  readonly rate?: number;
  readonly single?: readonly number[];
}

const singly = (...more: string[]): Measured => {
  const args = [values.one, ...flags, "--device", "cpu", "--threads", "1", ...more];
  const printed = run(process.execPath, [support("generate_singly.ts"), ...args]).stdout;
  return { single: JSON.parse(printed) as number[] };
};
const contenders: Record<string, () => Measured> = {
  "weft, BLAS": () => ({ rate: rateOf(process.execPath, ours()) }),
  "weft, WASM": () => ({ rate: rateOf(process.execPath, ours("--blas", "none")) }),
  "weft, BLAS, 1 thread": () => singly(),
  "weft, WASM, 1 thread": () => singly("--blas", "none"),
};
if (values.peer !== undefined) {
  const python = join(values.peer, "bin/python");
  contenders.fairseq = () => ({ rate: rateOf(python, ["-c", peerProgram, ...flags, "--cpu"]) });
  const model = join(folder, "ct2");
  const where = ["--data_dir", data, "--output_dir", model];
  run(python, [support("ct2_from_fairseq.py"), "--model_path", checkpoint, ...where]);
  const sources = join(folder, "sources");
  writeFileSync(sources, sourceLines());
  const ask = (inter: number, intra: number): Measured => {
    const args = [values.one, values.beam, `${inter}`, `${intra}`, "float32"];
    const printed = run(python, [support("ct2_translate.py"), model, sources, ...args]).stdout;
    const { all, tokens, each } = JSON.parse(printed);
    const single = each.map((seconds: number) => 1000 * seconds);
    return { rate: tokens / all, single: inter * intra === 1 ? single : undefined };
  };
  contenders["CTranslate2, 1 thread"] = () => ask(1, 1);
  contenders["CTranslate2, 2 workers of 1 thread"] = () => ask(2, 1);
  contenders["CTranslate2, 1 worker of 2 threads"] = () => ask(1, 2);
}

/** The set's sources in word pieces, in their order. */
function sourceLines(): string {
  const printed = run(process.execPath, ours("--beam", "1", "--max-len-b", "1")).stdout;
  const lines = [...printed.matchAll(/^S-(\d+)\t(.*)$/gm)];
  lines.sort(([, a], [, b]) => Number(a) - Number(b));
  return `${lines.map(([, , text]) => text).join("\n")}\n`;
}

function run(program: string, args: readonly string[]): { stdout: string; stderr: string } {
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: {
      ...process.env,
      OMP_NUM_THREADS: String(availableParallelism()),
      TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD: "1",
    },
  });
  if (status === 0) return { stdout, stderr };
  throw new Error(`${program} failed:\n${stderr.slice(-2000)}`);
}

/** The tokens per second that the closing line names. */
function rateOf(program: string, args: readonly string[]): number {
  const { stdout, stderr } = run(program, args);
  const rate = /sentences\/s, ([\d.]+) tokens\/s\)/.exec(`${stdout}\n${stderr}`)?.[1];
  if (rate !== undefined) return Number(rate);
  throw new Error(`${program} names no rate:\n${stderr.slice(-2000)}`);
}

const measured = new Map<string, Measured[]>();
for (let pair = 0; pair < Number(values.pairs); pair++) {
  for (const [name, measure] of Object.entries(contenders)) {
    if (values.skip !== "" && name.includes(values.skip)) continue;
    const result = measure();
    measured.set(name, [...(measured.get(name) ?? []), result]);
    const parts = [
      result.rate && `${result.rate.toFixed(0)} tokens/s`,
      result.single && `${median(result.single).toFixed(1)} ms for one sentence`,
    ];
    console.error(`${name}: ${parts.filter(Boolean).join(", ")}`);
  }
}
if (values.profile !== undefined) rateOf(process.execPath, ours("--profile", values.profile));
rmSync(folder, { recursive: true });

const machine = `${availableParallelism()} threads, ${cpus()[0]?.model.trim()}`;
console.log(`generate, beam ${values.beam}, batches of ${values["batch-size"]}, ${machine}\n`);

const three = (numbers: readonly number[], digits: number): string =>
  [median(numbers), Math.min(...numbers), Math.max(...numbers)]
    .map((number) => number.toFixed(digits))
    .join(" | ");

/** Rows of those that have the number; ratios pair by pair to the named ones. */
function table(
  title: string,
  digits: number,
  number: (result: Measured) => number | undefined,
  peers: readonly string[],
): void {
  const rows = [...measured].flatMap(([name, results]) => {
    const numbers = results.flatMap((result) => number(result) ?? []);
    return numbers.length > 0 ? [{ name, numbers }] : [];
  });
  const others = rows.filter(({ name }) => peers.includes(name));
  const ratios = others.map(({ name }) => ` ratio to ${name} |`).join("");
  console.log(`| | ${title} (median) | min | max |${ratios}`);
  console.log(`|---|--:|--:|--:|${"--:|".repeat(others.length)}`);
  for (const { name, numbers } of rows) {
    const cells = others.map((peer) =>
      median(numbers.map((each, i) => each / peer.numbers[i])).toFixed(2),
    );
    console.log(`| ${[name, three(numbers, digits), ...cells].join(" | ")} |`);
  }
  console.log();
}

const best = Object.keys(contenders).filter((name) => /^(fairseq|CTranslate2)/.test(name));
table("tokens/s", 0, ({ rate }) => rate, best);
table("one sentence, ms", 1, ({ single }) => single && median(single), ["CTranslate2, 1 thread"]);

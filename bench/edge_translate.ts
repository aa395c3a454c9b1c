// Translation at the edge beside CTranslate2's int8: tokens per second over a test set, and the time of one
// sentence. Both sides have the same model and beam; loading is left out on both.
//
//   bun bench/edge_translate.ts CHECKPOINT SOURCES [--data-bin DIR] [--beam 5] [--pairs 3] [--one 100]
//     [--peer VENV] [--quantize int8]
//   deno run -A bench/edge_translate.ts ...     the same on V8, whose relaxed SIMD is the faster one
//
// SOURCES holds a sentence in word pieces on each line. VENV is a Python environment with ctranslate2 and
// fairseq; CHECKPOINT must then be fairseq's, and DIR its binarised data. Every division of two threads is
// tried on both sides.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compileKernels } from "../edge/platforms/file_kernels.ts";
import { openInThreads } from "../edge/platforms/translator_threads.ts";
import type { EdgeTranslator } from "../edge/runtime/translator.ts";
import { workerUrl } from "../src/workers.ts";
import { median } from "./support/statistics.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "data-bin": { type: "string" },
    beam: { type: "string", default: "5" },
    pairs: { type: "string", default: "3" },
    one: { type: "string", default: "100" },
    peer: { type: "string" },
    quantize: { type: "string", default: "int8" },
  },
});
const [checkpoint, sourceFile] = positionals;
if (checkpoint === undefined || sourceFile === undefined || !existsSync(sourceFile)) {
  console.error("usage: bun bench/edge_translate.ts CHECKPOINT SOURCES [--peer VENV]");
  process.exit(2);
}
const beam = Number(values.beam);
const sources = readFileSync(sourceFile, "utf8").trimEnd().split("\n");
const singles = sources.slice(0, Number(values.one));
const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));

/** Seconds for all sentences together, tokens said, seconds for single sentences one after the other. */
interface Times {
  readonly all: number;
  readonly tokens: number;
  readonly single: number;
}

function run(program: string, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status === 0) return stdout;
  throw new Error(`${program} failed:\n${stderr.slice(-2000)}`);
}

const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const bundle = join(folder, "bundle");
const data = values["data-bin"] === undefined ? [] : ["--data", values["data-bin"]];
const exporting = ["export", checkpoint, "--out", bundle, "--quantize", values.quantize, ...data];
run(process.execPath, [...("Deno" in globalThis ? ["run", "-A"] : []), main, ...exporting]);
const kernels = await compileKernels();
const url = workerUrl("edge/platforms/translator_thread.ts");

async function ours(threads: number): Promise<Times> {
  const translator = await openInThreads({
    folder: bundle,
    threads,
    kernels,
    url,
    log: console.error,
  });
  await translate(translator, singles); // warm
  let began = performance.now();
  const tokens = await translate(translator, sources);
  const all = (performance.now() - began) / 1000;
  began = performance.now();
  for (const source of singles) await translate(translator, [source]);
  const single = (performance.now() - began) / 1000;
  translator.close();
  return { all, tokens, single };
}

async function translate(translator: EdgeTranslator, texts: readonly string[]): Promise<number> {
  const results = await Promise.all(texts.map((text) => translator.generate(text, { beam })));
  return results.reduce((sum, { hypotheses }) => sum + hypotheses[0].tokens.length, 0);
}

function peers(venv: string): Record<string, () => Promise<Times>> {
  const python = join(venv, "bin/python");
  const model = join(folder, "ct2");
  const convert = fileURLToPath(new URL("support/ct2_from_fairseq.py", import.meta.url));
  const where = ["--data_dir", values["data-bin"] ?? "", "--output_dir", model];
  run(python, [convert, "--model_path", checkpoint, ...where, "--quantization", "int8"]);
  const program = fileURLToPath(new URL("support/ct2_translate.py", import.meta.url));
  const ask = (inter: number, intra: number) => async () => {
    const args = [model, sourceFile, values.one, values.beam, `${inter}`, `${intra}`, "int8"];
    return JSON.parse(run(python, [program, ...args])) as Times;
  };
  return {
    "CTranslate2, 1 thread": ask(1, 1),
    "CTranslate2, 1 worker of 2 threads": ask(1, 2),
    "CTranslate2, 2 workers of 1 thread": ask(2, 1),
  };
}

const contenders: Record<string, () => Promise<Times>> = {
  "weft, 1 thread": () => ours(1),
  "weft, 2 threads": () => ours(2),
  ...(values.peer === undefined ? {} : peers(values.peer)),
};
const measured = new Map<string, Times[]>();
for (let pair = 0; pair < Number(values.pairs); pair++) {
  for (const [name, measure] of Object.entries(contenders)) {
    const times = await measure();
    measured.set(name, [...(measured.get(name) ?? []), times]);
    console.error(`${name}: ${(times.tokens / times.all).toFixed(0)} tokens/s`);
  }
}
rmSync(folder, { recursive: true });

const machine = `${availableParallelism()} threads, ${cpus()[0]?.model.trim()}`;
const what = `${sources.length} sentences, beam ${beam}, ${values.quantize}`;
const runtime = "Deno" in globalThis ? "Deno" : "Bun";
console.log(`edge translation on ${runtime}: ${what}, ${machine}\n`);
console.log("| | tokens/s (median) | min | max | one sentence, ms (median) | min | max |");
console.log("|---|--:|--:|--:|--:|--:|--:|");
for (const [name, times] of measured) {
  const rates = times.map(({ tokens, all }) => tokens / all);
  const single = times.map((each) => (1000 * each.single) / singles.length);
  const three = (numbers: number[], digits: number): string =>
    [median(numbers), Math.min(...numbers), Math.max(...numbers)]
      .map((n) => n.toFixed(digits))
      .join(" | ");
  console.log(`| ${name} | ${three(rates, 0)} | ${three(single, 1)} |`);
}

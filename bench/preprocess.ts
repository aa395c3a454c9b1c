// Lines per second of weft preprocess beside fairseq-preprocess: the help corpus repeated, both
// languages, a joined dictionary, whole commands in turn, start-up included.
//
//   bun bench/preprocess.ts [--repeat 20] [--workers 2] [--pairs 3] [--peer VENV]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    repeat: { type: "string", default: "20" },
    workers: { type: "string", default: "2" },
    pairs: { type: "string", default: "3" },
    peer: { type: "string" },
  },
});

const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
const corpus = fileURLToPath(new URL("../recipes/data/help/train.en-de.tsv", import.meta.url));
const pairs = readFileSync(corpus, "utf8").trimEnd().split("\n");
for (const [column, language] of ["en", "de"].entries()) {
  const text = pairs.map((pair) => `${pair.split("\t")[column]}\n`).join("");
  writeFileSync(join(folder, `train.${language}`), text.repeat(Number(values.repeat)));
}
const lines = 2 * pairs.length * Number(values.repeat);
const flags = [
  ...["-s", "en", "-t", "de", "--joined-dictionary", "--trainpref", join(folder, "train")],
  ...["--workers", values.workers, "--destdir"],
];
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const contenders: Record<string, [program: string, args: string[]]> = {
  weft: [process.execPath, [main, "preprocess", ...flags]],
};
if (values.peer !== undefined) {
  contenders.fairseq = [join(values.peer, "bin/fairseq-preprocess"), flags];
}

const rates = new Map<string, number[]>();
for (let pair = 0; pair < Number(values.pairs); pair++) {
  for (const [name, [program, args]] of Object.entries(contenders)) {
    const out = join(folder, `bin-${name}`);
    rmSync(out, { recursive: true, force: true });
    const begun = performance.now();
    const { status, stderr } = spawnSync(program, [...args, out], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${name} failed:\n${stderr.slice(-2000)}`);
    const rate = (1000 * lines) / (performance.now() - begun);
    rates.set(name, [...(rates.get(name) ?? []), rate]);
    console.error(`${name}: ${rate.toFixed(0)} lines/s`);
  }
}
rmSync(folder, { recursive: true, force: true });

console.log(
  `preprocess, ${lines} lines, ${values.workers} workers, ${availableParallelism()} cores, ${cpus()[0]?.model.trim()}\n`,
);
console.log("| | lines/s (median) | min | max | ratio to fairseq |");
console.log("|---|--:|--:|--:|--:|");
const peer = rates.get("fairseq");
for (const [name, measured] of rates) {
  const ratio = peer ? median(measured.map((rate, i) => rate / peer[i])).toFixed(1) : "";
  const row = [median(measured), Math.min(...measured), Math.max(...measured)];
  console.log(`| ${name} | ${row.map((rate) => rate.toFixed(0)).join(" | ")} | ${ratio} |`);
}

// Milliseconds per decoding step at the edge: our int8 kernels beside onnxruntime-web on the same bundle, in
// turn. A step embeds the tokens of one sentence's hypotheses, computes all decoder layers and the
// log-softmax, and chooses candidates.
//
//   bun bench/edge_step.ts [--vocabulary 6000,32000] [--beam 1,2,3,4,5] [--pairs 7] [--steps 40]
//     [--quantize int8] [--threads 2]
//
// The model has 6 + 6 layers of width 512 (2048 inside, 8 heads), tied embeddings and random weights; the
// source 32 tokens. With --threads N both sides decode N sentences at once, a thread each ("N x 1"), and
// onnxruntime-web one sentence in a session of N threads, too ("1 x N"); a step's time is then that from
// one step to the next of any thread, and the ratio is to the peer's better division.
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { manifestSchema } from "../edge/runtime/manifest.ts";
import {
  type Cost,
  type DecodingEngine,
  openEngine,
  SOURCE_TOKENS,
} from "./support/decoding_engine.ts";
import { openThreads } from "./support/decoding_threads.ts";
import { randomBundle } from "./support/random_bundle.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    vocabulary: { type: "string", default: "6000,32000" },
    beam: { type: "string", default: "1,2,3,4,5" },
    pairs: { type: "string", default: "7" },
    steps: { type: "string", default: "40" },
    quantize: { type: "string", default: "int8" },
    threads: { type: "string", default: "1" },
  },
});
const quantize = manifestSchema.shape.quantize.parse(values.quantize);
const numbers = (list: string): number[] => list.split(",").map(Number);
const [steps, threads] = [Number(values.steps), Number(values.threads)];

/** The engines of a table's columns: ours first, then the peer in every division of the threads. */
async function openAll(symbols: number): Promise<readonly DecodingEngine[]> {
  const files = await randomBundle(symbols, quantize);
  if (threads === 1) {
    return [
      await openEngine("weft", files, symbols),
      await openEngine("onnxruntime-web", files, symbols),
    ];
  }
  return [
    await openThreads("weft", files, symbols, threads),
    await openThreads("onnxruntime-web", files, symbols, threads),
    await openEngine("onnxruntime-web", files, symbols, threads),
  ];
}

/** A line of medians; the ratio is to the peer's best of each round. */
function report(name: string, what: string, rounds: readonly (readonly number[])[]): void {
  const columns = rounds[0].map((_, side) => median(rounds.map((round) => round[side])));
  const ratios = rounds.map(([own, ...peers]) => Math.min(...peers) / own);
  const range = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  const shown = [...columns, median(ratios)].map((number) => number.toFixed(2));
  console.log(`| ${[name, what, ...shown, range.join(" to ")].join(" | ")} |`);
}

const divisions =
  threads === 1
    ? ["weft, ms", "onnxruntime-web, ms"]
    : [`${threads} x 1`, `${threads} x 1`, `1 x ${threads}`].map(
        (division, side) => `${side === 0 ? "weft" : "onnxruntime-web"} ${division}, ms`,
      );
const header = ["V", "beam", ...divisions, "ratio", "its range"];
console.log(`decoding steps in ${quantize}, ${threads} thread(s), ${cpus()[0]?.model.trim()}\n`);
console.log(`| ${header.join(" | ")} |`);
console.log(`|${header.map(() => "--:|").join("")}`);
for (const symbols of numbers(values.vocabulary)) {
  const engines = await openAll(symbols);
  const starts: number[][] = [];
  for (const beam of numbers(values.beam)) {
    const rounds: Cost[][] = [];
    // The first round lets the compilers of the runtime warm up.
    for (let round = 0; round <= Number(values.pairs); round++) {
      const costs: Cost[] = [];
      for (const engine of engines) costs.push(await engine.decode({ beam, steps }));
      if (round > 0) rounds.push(costs);
    }
    report(
      String(symbols),
      String(beam),
      rounds.map((costs) => costs.map(({ step }) => step)),
    );
    starts.push(...rounds.map((costs) => costs.map(({ start }) => start)));
  }
  report(String(symbols), `source of ${SOURCE_TOKENS}`, starts);
  if (threads === 1) {
    const mib = engines.map((engine) => ((engine.bytes?.() ?? 0) / 2 ** 20).toFixed(0));
    console.log(`| ${[symbols, "memory, MiB", ...mib, "", ""].join(" | ")} |`);
  }
  for (const engine of engines) engine.close();
}
process.exit(0);

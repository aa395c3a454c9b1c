// Milliseconds per decoding step at the edge: our int8 kernels beside onnxruntime-web on the same bundle,
// one thread each, in turn. A step embeds the tokens of one sentence's hypotheses, computes all decoder
// layers and the log-softmax, and chooses candidates.
//
//   bun bench/edge_step.ts [--vocabulary 6000,32000] [--beam 1,2,3,4,5] [--pairs 7] [--steps 40]
//     [--quantize int8]
//
// The model has 6 + 6 layers of width 512 (2048 inside, 8 heads), tied embeddings and random weights; the
// source 32 tokens.
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { memorySource } from "../edge/export/bundle_files.ts";
import { OnnxModel } from "../edge/onnx/onnx_model.ts";
import { OnnxStepDecoder } from "../edge/onnx/onnx_step_decoder.ts";
import { compileKernels } from "../edge/platforms/file_kernels.ts";
import { compileOnnxRuntime } from "../edge/platforms/file_onnxruntime.ts";
import { Bundle } from "../edge/runtime/bundle.ts";
import { manifestSchema } from "../edge/runtime/manifest.ts";
import { QuantisedModel } from "../edge/runtime/quantised_model.ts";
import { SharedStepDecoder } from "../edge/runtime/shared_step_decoder.ts";
import type { StepDecoder } from "../src/decode/step_decoder.ts";
import { seededRandom } from "../test/support/random.ts";
import { randomBundle } from "./support/random_bundle.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: {
    vocabulary: { type: "string", default: "6000,32000" },
    beam: { type: "string", default: "1,2,3,4,5" },
    pairs: { type: "string", default: "7" },
    steps: { type: "string", default: "40" },
    quantize: { type: "string", default: "int8" },
  },
});
const quantize = manifestSchema.shape.quantize.parse(values.quantize);
const numbers = (list: string): number[] => list.split(",").map(Number);
const steps = Number(values.steps);
const SOURCE_TOKENS = 32;
const PADDING = 1;
const END = 2;
const NO_RULES = {
  ...{ banned: [], only: undefined, penalised: 3, penalty: 0 },
  ...{ forced: undefined, rowBans: undefined },
};

/** What a sentence cost. */
interface Cost {
  /** Median milliseconds of a step. */
  readonly step: number;
  /** Milliseconds of the encoder, and whatever else comes first. */
  readonly start: number;
}

async function decodeSentence(decoder: StepDecoder, beam: number): Promise<Cost> {
  const random = seededRandom(7);
  const draw = (): number => random.int(4, decoder.vocabulary - 1);
  const source = Int32Array.from({ length: SOURCE_TOKENS }, draw).fill(END, -1);
  const batch = { tokens: source, sentences: 1, width: SOURCE_TOKENS };
  const began = performance.now();
  const state = await decoder.start(batch, { beam, temperature: 1, attention: false });
  const start = performance.now() - began;
  const times: number[] = [];
  const rows = Int32Array.from({ length: beam }, (_, row) => row);
  const request = { count: 2 * beam, scores: new Float32Array(beam), rules: NO_RULES };
  for (let step = 0; step < steps; step++) {
    const tokens = rows.map(step === 0 ? () => END : draw);
    const reorder = step === 0 ? undefined : rows.map(() => random.int(0, beam - 1));
    const before = performance.now();
    const input = { step, rows: beam, tokens, reorder, keptSentences: undefined };
    await state.candidates?.(input, request);
    times.push(performance.now() - before);
  }
  state.close?.();
  return { step: median(times), start };
}

console.log(`decoding steps in ${quantize}, one thread, ${cpus()[0]?.model.trim()}\n`);
console.log("| V | beam | weft, ms | onnxruntime-web, ms | ratio | its range |");
console.log("|--:|--:|--:|--:|--:|--:|");
for (const symbols of numbers(values.vocabulary)) {
  const bundle = await Bundle.open(
    memorySource(await randomBundle(symbols, quantize), "random weights"),
  );
  const vocabularies = { source: symbols, target: symbols };
  const ours = new SharedStepDecoder(
    await QuantisedModel.load(bundle, await compileKernels(), vocabularies),
    PADDING,
  );
  const peer = new OnnxStepDecoder(
    await OnnxModel.load(bundle, await compileOnnxRuntime(), symbols),
    PADDING,
  );
  const starts: [number, number][] = [];
  for (const beam of numbers(values.beam)) {
    const costs: [Cost, Cost][] = [];
    // The first pair lets the compilers of the runtime warm up.
    for (let pair = 0; pair <= Number(values.pairs); pair++) {
      const both: [Cost, Cost] = [
        await decodeSentence(ours, beam),
        await decodeSentence(peer, beam),
      ];
      if (pair > 0) costs.push(both);
    }
    const [own, theirs] = [0, 1].map((i) => median(costs.map((both) => both[i].step)));
    const ratios = costs.map(([a, b]) => b.step / a.step);
    const range = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
    const shown = [own, theirs, median(ratios)].map((number) => number.toFixed(2));
    console.log(`| ${[symbols, beam, ...shown, range.join(" to ")].join(" | ")} |`);
    starts.push(...costs.map(([a, b]): [number, number] => [a.start, b.start]));
  }
  const [own, theirs] = [0, 1].map((i) => median(starts.map((both) => both[i])));
  const ratio = median(starts.map(([a, b]) => b / a));
  const shown = [own, theirs, ratio].map((number) => number.toFixed(2));
  console.log(`| ${[symbols, `source of ${SOURCE_TOKENS}`, ...shown, ""].join(" | ")} |`);
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  const grown = [ours.model.kernels.bytes, peer.model.memory.grown].map(mib);
  console.log(`| ${[symbols, "memory, MiB", ...grown, "", ""].join(" | ")} |`);
  ours.close();
  peer.close();
}

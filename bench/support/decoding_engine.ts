// An engine of the edge that decodes one sentence step by step with random tokens, and what that costs.
import { type BundleFiles, memorySource } from "../../edge/export/bundle_files.ts";
import { OnnxModel } from "../../edge/onnx/onnx_model.ts";
import { OnnxStepDecoder } from "../../edge/onnx/onnx_step_decoder.ts";
import { compileKernels } from "../../edge/platforms/file_kernels.ts";
import { compileOnnxRuntime } from "../../edge/platforms/file_onnxruntime.ts";
import { Bundle } from "../../edge/runtime/bundle.ts";
import { QuantisedModel } from "../../edge/runtime/quantised_model.ts";
import { SharedStepDecoder } from "../../edge/runtime/shared_step_decoder.ts";
import type { StepDecoder } from "../../src/decode/step_decoder.ts";
import { seededRandom } from "../../test/support/random.ts";
import { median } from "./statistics.ts";

export const SOURCE_TOKENS = 32;
const PADDING = 1;
const END = 2;
const NO_RULES = {
  ...{ banned: [], only: undefined, penalised: 3, penalty: 0 },
  ...{ forced: undefined, rowBans: undefined },
};

export type EngineName = "weft" | "onnxruntime-web";

/** What a sentence cost. */
export interface Cost {
  /** Median milliseconds of a step. */
  readonly step: number;
  /** Milliseconds of the encoder, and whatever else comes first. */
  readonly start: number;
}

/** One sentence of `SOURCE_TOKENS` tokens, and `steps` steps with `beam` hypotheses. */
export interface Sentence {
  readonly beam: number;
  readonly steps: number;
}

export interface DecodingEngine {
  decode(sentence: Sentence): Promise<Cost>;
  /** Bytes of WebAssembly memory, if it is one engine. */
  bytes?(): number;
  close(): void;
}

/** An engine in this thread. @param threads only for onnxruntime-web, within one session. */
export async function openEngine(
  name: EngineName,
  files: BundleFiles,
  symbols: number,
  threads = 1,
): Promise<DecodingEngine> {
  const bundle = await Bundle.open(memorySource(files, "random weights"));
  if (name === "weft") {
    const vocabularies = { source: symbols, target: symbols };
    const model = await QuantisedModel.load(bundle, await compileKernels(), vocabularies);
    const decoder = new SharedStepDecoder(model, PADDING);
    return {
      decode: (sentence) => decodeSentence(decoder, sentence),
      bytes: () => model.kernels.bytes,
      close: () => decoder.close(),
    };
  }
  const runtime = { ...(await compileOnnxRuntime()), threads };
  const model = await OnnxModel.load(bundle, runtime, symbols);
  const decoder = new OnnxStepDecoder(model, PADDING);
  return {
    decode: (sentence) => decodeSentence(decoder, sentence),
    bytes: () => model.memory.grown,
    close: () => decoder.close(),
  };
}

async function decodeSentence(decoder: StepDecoder, { beam, steps }: Sentence): Promise<Cost> {
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

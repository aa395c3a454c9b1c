// ONNX Runtime's WebGPU execution provider against our own kernels, where this runtime has navigator.gpu;
// test/edge/page/webgpu_page.test.ts does the same in a browser.
import { expect } from "bun:test";
import { memorySource } from "../../../edge/export/bundle_files.ts";
import { OnnxStepDecoder } from "../../../edge/onnx/onnx_step_decoder.ts";
import { CrossCaches } from "../../../edge/onnx/webgpu/cross_caches.ts";
import type { GpuModel } from "../../../edge/onnx/webgpu/gpu_model.ts";
import { openGpuTranslator } from "../../../edge/onnx/webgpu/open_gpu_translator.ts";
import { openTranslator } from "../../../edge/runtime/open_translator.ts";
import type { Hypothesis } from "../../../src/decode/hypothesis.ts";
import { SequenceGenerator } from "../../../src/decode/sequence_generator.ts";
import type { SourceBatch, StepDecoder, StepInput } from "../../../src/decode/step_decoder.ts";
import { gpuDecoder, gpuModel, gpuRuntime, onGpu } from "./gpu_here.ts";
import { kernels, ownDecoder, PADDING, randomFiles } from "./random_bundle.ts";
import { largestDifference, meanDifference, play, randomBatch } from "./scripted_search.ts";

const PRE_NORM = { encoder_normalize_before: true, decoder_normalize_before: true };
const tied = await randomFiles({ share_all_embeddings: true, ...PRE_NORM }, "none");

/** Two sentences leave on the way. */
const script = { batch: randomBatch(3, [7, 12, 4]), beam: 3, steps: 8, leaving: [3, 6] };

for (const [name, settings] of Object.entries({
  "post-norm": {},
  "learned positions": { encoder_learned_pos: true, decoder_learned_pos: true },
  "no positions": { no_token_positional_embeddings: true },
  "a decoder of other widths": {
    decoder_embed_dim: 24,
    decoder_ffn_embed_dim: 33,
    decoder_attention_heads: 2,
    decoder_input_dim: 16,
    decoder_output_dim: 20,
  },
})) {
  onGpu(`the GPU says what our kernels say for ${name}`, async () => {
    const files = await randomFiles(settings, "none");
    const model = await gpuModel(files);
    const [gpu, own] = [new OnnxStepDecoder(model, PADDING), await ownDecoder(files)];
    const [a, b] = [await play(gpu, script), await play(own, script)];
    for (const [step, { logProbs = [], attention = [] }] of a.entries()) {
      expect(largestDifference(logProbs, b[step].logProbs ?? [])).toBeLessThan(1e-4);
      expect(largestDifference(attention, b[step].attention ?? [])).toBeLessThan(1e-5);
    }
    gpu.close();
    own.close();
    await model.inTurn(async () => undefined); // until all is freed
    expect(model.memory.used).toBe(0);
  });
}

/** The GPU multiplies integers with floats, our kernels round activations to integers. */
for (const quantize of ["int8", "int4"] as const) {
  onGpu(`the GPU says nearly what our kernels say in ${quantize}`, async () => {
    const files = await randomFiles({ share_all_embeddings: true, ...PRE_NORM }, quantize);
    const [gpu, own] = [await gpuDecoder(files), await ownDecoder(files)];
    const [a, b] = [await play(gpu, script), await play(own, script)];
    for (const [step, { logProbs = [] }] of a.entries()) {
      expect(meanDifference(logProbs, b[step].logProbs ?? [])).toBeLessThan(0.04);
    }
    gpu.close();
    own.close();
  });
}

const search = (decoder: StepDecoder, batch: SourceBatch, beam: number) =>
  new SequenceGenerator(decoder, { beam, maxLenB: 40, noRepeatNgramSize: 0 }).generate(batch);

const said = (found: readonly Hypothesis[][]) =>
  found.map((list) => list.map(({ tokens }) => [...tokens]));

onGpu("searches on the GPU at the same time find what each finds on our kernels", async () => {
  const [gpu, own] = [await gpuDecoder(tied), await ownDecoder(tied)];
  const batches = [[5, 17, 9, 2], [3], [40, 2]].map((lengths, i) => randomBatch(20 + i, lengths));
  const alone = [];
  for (const [i, batch] of batches.entries()) alone.push(await search(own, batch, 2 * i + 1));
  const together = await Promise.all(batches.map((batch, i) => search(gpu, batch, 2 * i + 1)));
  expect(together.map(said)).toEqual(alone.map(said));
  gpu.close();
  own.close();
});

const rules = {
  banned: [] as number[],
  only: undefined as number | undefined,
  penalised: 3,
  penalty: 0,
  forced: undefined,
  rowBans: undefined,
};

for (const [name, changed] of Object.entries({
  "banned tokens and a penalty": { banned: [2, 7, 30], penalty: 2.5 },
  "one token that is allowed": { only: 2 },
  "more candidates than tokens": { banned: [5], count: 100 },
})) {
  onGpu(`the GPU chooses the candidates that our kernels choose, with ${name}`, async () => {
    const { count = 6, ...of } = { count: undefined, ...changed };
    const request = ({ rows }: StepInput) => ({
      count,
      scores: Float32Array.from({ length: rows }, (_, row) => -row / 7),
      rules: { ...rules, ...of },
    });
    const [gpu, own] = [await gpuDecoder(tied), await ownDecoder(tied)];
    const played = { batch: randomBatch(9, [6, 11]), beam: 3, steps: 3, request };
    const [a, b] = [await play(gpu, played), await play(own, played)];
    for (const [step, { scores = [], tokens = [] }] of a.entries()) {
      const wanted = b[step].scores ?? [];
      expect(largestDifference(scores, wanted)).toBeLessThan(1e-4);
      const possible = (token: number, i: number) => (wanted[i] === -Infinity ? -1 : token);
      const ours = b[step].tokens ?? new Int32Array();
      expect(Array.from(tokens, possible)).toEqual(Array.from(ours, possible));
    }
    gpu.close();
    own.close();
  });
}

for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
  onGpu(`a bundle with ${value} among its weights is refused by name`, async () => {
    const damaged = "decoder.layers.0.fc1.bias";
    const files = await randomFiles({}, "none", ({ tensors, ...parts }) => ({
      ...parts,
      tensors: tensors.map((tensor) =>
        tensor.name === damaged
          ? { ...tensor, data: tensor.data.slice().fill(value, 5, 6) }
          : tensor,
      ),
    }));
    await expect(gpuModel(files)).rejects.toThrow(`random: ${damaged} holds ${value}`);
  });
}

onGpu("sources whose keys the GPU cannot bind are refused, and hold nothing", async () => {
  const model = await gpuModel(tied);
  const device = { limits: { maxStorageBufferBindingSize: 4 * 40 * 12 } };
  const narrow: GpuModel = Object.create(model, {
    runtime: { value: { ...model.runtime, device } },
  });
  const sources = [5, 7].map((length) => new Int32Array(length).fill(9));
  await expect(CrossCaches.of(narrow, sources)).rejects.toThrow(
    "2 sentences of up to 7 tokens take 2240 bytes, a binding at most 1920",
  );
  expect(narrow.memory.used).toBe(model.memory.used);
  model.release();
});

onGpu("openGpuTranslator() gives the translator that openTranslator() gives", async () => {
  const source = memorySource(tied, "random");
  const [gpu, own] = [
    await openGpuTranslator(source, gpuRuntime()),
    await openTranslator(source, kernels),
  ];
  const text = "w3 w9 w12. W4 w20 w33!";
  const options = { beam: 3, alignments: true, prefix: "w5", max_len: 12 };
  const [a, b] = [await gpu.translate(text, options), await own.translate(text, options)];
  expect(a.text).toBe(b.text);
  const scored = await gpu.score("w3 w9", "w12 w4");
  expect(scored.score).toBeCloseTo((await own.score("w3 w9", "w12 w4")).score, 4);
  gpu.close();
  own.close();
});

onGpu("a search on the GPU that runs when the model is closed is rejected", async () => {
  const gpu = await gpuDecoder(tied);
  const running = search(gpu, randomBatch(2, [9]), 2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  gpu.close();
  await expect(running).rejects.toThrow("the model was closed");
  await expect(search(gpu, randomBatch(2, [9]), 2)).rejects.toThrow("the model was closed");
});

for (const [quantize, most] of [
  ["none", 72],
  ["int8", 84],
] as const) {
  onGpu(`a step of two layers in ${quantize} is at most ${most} dispatches`, async () => {
    const { prototype } = GPUComputePassEncoder;
    const { dispatchWorkgroups } = prototype;
    let dispatches = 0;
    prototype.dispatchWorkgroups = function (...sizes) {
      dispatches++;
      return dispatchWorkgroups.apply(this, sizes);
    };
    const gpu = await gpuDecoder(await randomFiles({ share_all_embeddings: true }, quantize));
    const dispatchesOf = async (steps: number): Promise<number> => {
      dispatches = 0;
      await play(gpu, { batch: randomBatch(3, [7, 5]), beam: 2, steps });
      return dispatches;
    };
    try {
      // The difference is a step's; the rest is the encoder's.
      expect((await dispatchesOf(6)) - (await dispatchesOf(5))).toBeLessThanOrEqual(most);
      expect(dispatches).toBeGreaterThan(0);
    } finally {
      prototype.dispatchWorkgroups = dispatchWorkgroups;
      gpu.close();
    }
  });
}

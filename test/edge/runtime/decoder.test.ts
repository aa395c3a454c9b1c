// The edge's decoder against fairseq's own numbers, against the trainer's decoder, and against itself.
import { expect, test } from "bun:test";
import { compileKernelFile } from "../../../edge/platforms/file_kernels.ts";
import { hasRelaxedSimd } from "../../../edge/runtime/kernel_file.ts";
import type { Manifest } from "../../../edge/runtime/manifest.ts";
import type { Hypothesis } from "../../../src/decode/hypothesis.ts";
import { SequenceGenerator } from "../../../src/decode/sequence_generator.ts";
import type { SourceBatch, StepDecoder } from "../../../src/decode/step_decoder.ts";
import { DeviceStepDecoder } from "../../../src/models/device_step_decoder.ts";
import { goldenTransformer } from "../../models/golden_transformer.ts";
import { cpu } from "../../support/devices.ts";
import { goldenTest } from "../../support/golden.ts";
import { seededRandom } from "../../support/random.ts";
import { expectTensor, readTensors } from "../../support/tensors.ts";
import { goldenDecoder } from "./golden_bundle.ts";

const MODELS = [
  "transformer_postnorm",
  "transformer_prenorm_shared",
  "transformer_learned",
  "transformer_odd",
];

/** The one that every checkout has. */
const SHIPPED = "transformer_prenorm_shared";

/** Sentences of random words, padded on the left. */
function randomBatch(seed: number, lengths: readonly number[], symbols: number): SourceBatch {
  const random = seededRandom(seed);
  const width = Math.max(...lengths);
  const tokens = new Int32Array(lengths.length * width).fill(1);
  for (const [i, length] of lengths.entries()) {
    const row = tokens.subarray((i + 1) * width - length, (i + 1) * width);
    for (let s = 0; s < length - 1; s++) row[s] = random.int(4, symbols - 1);
    row[length - 1] = 2;
  }
  return { tokens, sentences: lengths.length, width };
}

const search = (decoder: StepDecoder, batch: SourceBatch, attention = false) =>
  new SequenceGenerator(decoder, { beam: 4, maxLenB: 20, attention }).generate(batch);

const said = (found: readonly Hypothesis[][]) =>
  found.map((list) => list.map(({ tokens }) => [...tokens]));

const scores = (found: readonly Hypothesis[][]) => found.map((list) => list.map((h) => h.score));

for (const name of MODELS) {
  const path = `models/${name}`;
  goldenTest(`${name} at the edge decodes step by step what fairseq computed`, path, async () => {
    const golden = goldenTransformer(name, cpu);
    const decoder = await goldenDecoder(golden);
    const expected = readTensors(`${path}/expected.safetensors`);
    const logProbs = expected.get("log_probs");
    const attention = expected.get("attn");
    if (!logProbs || !attention) throw new Error(`${path} has no log_probs or attn`);
    const [B, T, V] = logProbs.shape;
    const [, width] = golden.sample.srcTokens.shape;
    const tokens = golden.sample.srcTokens.data as Int32Array;
    const previous = golden.sample.prevOutputTokens.data as Int32Array;
    const batch = { tokens, sentences: B, width };
    const state = await decoder.start(batch, { beam: 1, temperature: 1, attention: true });
    const rows = Int32Array.from({ length: B }, (_, row) => row);
    for (let step = 0; step < T; step++) {
      const column = rows.map((row) => previous[row * T + step]);
      const reorder = step === 0 ? undefined : rows;
      const input = { step, rows: B, tokens: column, reorder, keptSentences: undefined };
      const got = await state.step(input);
      for (let row = 0; row < B; row++) {
        if (column[row] === golden.config.dictionary.pad) continue;
        const at = row * T + step;
        const what = `step ${step}, row ${row}`;
        const want = logProbs.data.subarray(at * V, (at + 1) * V);
        expectTensor(what, got.logProbs.subarray(row * V, (row + 1) * V), want, 2e-5);
        const seen = attention.data.subarray(at * width, (at + 1) * width);
        const weights = got.attention?.subarray(row * width, (row + 1) * width) ?? [];
        expectTensor(`attention of ${what}`, weights, seen, 1e-6);
      }
    }
    decoder.close();
  });

  goldenTest(`${name} at the edge finds the trainer's hypotheses`, path, async () => {
    const golden = goldenTransformer(name, cpu);
    const { source, target, pad } = golden.config.dictionary;
    const trainer = new DeviceStepDecoder(cpu, golden.model, { vocabulary: target, padding: pad });
    const edge = await goldenDecoder(golden);
    const batch = randomBatch(3, [7, 1, 4, 12, 9], source);
    const [want, got] = [await search(trainer, batch, true), await search(edge, batch, true)];
    expect(said(got)).toEqual(said(want));
    for (const [i, list] of want.entries()) {
      for (const [k, { score, attention }] of list.entries()) {
        expect(Math.abs(got[i][k].score - score)).toBeLessThan(1e-5);
        expectTensor("attention", got[i][k].attention ?? [], attention ?? [], 1e-5);
      }
    }
    trainer.close();
    edge.close();
  });
}

for (const quantize of ["none", "int8", "int4"] as const) {
  goldenTest(
    `a sentence's hypotheses under ${quantize} do not depend on its batch, bit for bit`,
    `models/${SHIPPED}`,
    async () => {
      const golden = goldenTransformer(SHIPPED, cpu);
      const decoder = await goldenDecoder(golden, quantize);
      const lengths = [5, 9, 2, 14, 3, 8];
      const { source } = golden.config.dictionary;
      const batch = randomBatch(11, lengths, source);
      const alone: Hypothesis[][] = [];
      const sentences = lengths.map((length, i): SourceBatch => {
        const end = (i + 1) * batch.width;
        return { tokens: batch.tokens.slice(end - length, end), sentences: 1, width: length };
      });
      for (const sentence of sentences) alone.push(...(await search(decoder, sentence)));
      const asBatch = await search(decoder, batch);
      const { steps } = decoder.counts;
      const sharing = (await Promise.all(sentences.map((each) => search(decoder, each)))).flat();
      // The longest of them takes as many steps as all of them together.
      const longest = Math.max(...sharing.flat().map(({ tokens }) => tokens.length));
      expect(decoder.counts.steps - steps).toBeLessThan(longest + 6);
      for (const found of [asBatch, sharing]) {
        expect(said(found)).toEqual(said(alone));
        expect(scores(found)).toEqual(scores(alone));
      }
      decoder.close();
    },
  );
}

const bothModules = "relaxed SIMD finds the hypotheses of plain SIMD, bit for bit";
if (hasRelaxedSimd()) {
  goldenTest(bothModules, `models/${SHIPPED}`, async () => {
    const golden = goldenTransformer(SHIPPED, cpu);
    const batch = randomBatch(13, [5, 9, 2, 14], golden.config.dictionary.source);
    const found: Hypothesis[][][] = [];
    for (const file of ["quantised.wasm", "quantised_relaxed.wasm"] as const) {
      const decoder = await goldenDecoder(golden, "int8", await compileKernelFile(file));
      found.push(await search(decoder, batch));
      decoder.close();
    }
    const [plain, relaxed] = found;
    expect(said(relaxed)).toEqual(said(plain));
    expect(scores(relaxed)).toEqual(scores(plain));
  });
} else test.skip(`${bothModules} (this runtime has none)`, () => {});

goldenTest(
  "quantised log-probabilities stay near the float ones",
  `models/${SHIPPED}`,
  async () => {
    const golden = goldenTransformer(SHIPPED, cpu);
    const { source, target } = golden.config.dictionary;
    const batch = randomBatch(5, [6, 11], source);
    const firstStep = async (quantize: Manifest["quantize"]): Promise<Float32Array> => {
      const decoder = await goldenDecoder(golden, quantize);
      const state = await decoder.start(batch, { beam: 1, temperature: 1, attention: false });
      const tokens = Int32Array.from([2, 2]);
      const input = { step: 0, rows: 2, tokens, reorder: undefined, keptSentences: undefined };
      const { logProbs } = await state.step(input);
      decoder.close();
      return logProbs.slice();
    };
    const exact = await firstStep("none");
    for (const [quantize, bound] of [
      ["int8", 0.02],
      ["int4", 0.2],
    ] as const) {
      const near = await firstStep(quantize);
      const distance = near.reduce((sum, x, i) => sum + Math.abs(x - exact[i]), 0) / (2 * target);
      expect(distance).toBeGreaterThan(0);
      expect(distance).toBeLessThan(bound);
    }
  },
);

goldenTest(
  "a search that ends, or is cut off, leaves no memory behind",
  `models/${SHIPPED}`,
  async () => {
    const golden = goldenTransformer(SHIPPED, cpu);
    const decoder = await goldenDecoder(golden);
    const batch = randomBatch(8, [9, 4, 6], golden.config.dictionary.source);
    await search(decoder, batch);
    const { heap } = decoder.model.kernels;
    const { past } = decoder.model.decoder;
    const [bytes, grown] = [heap.bytes, decoder.model.kernels.bytes];
    expect(past.size).toBe(0);
    const generator = new SequenceGenerator(decoder, { beam: 4, maxLenB: 20 });
    let steps = 0;
    const breathe = async (): Promise<void> => {
      if (++steps === 5) throw new Error("the client went away");
    };
    await expect(generator.generate(batch, { breathe })).rejects.toThrow("went away");
    expect(past.size).toBe(0);
    for (let i = 0; i < 5; i++) await search(decoder, batch);
    expect(heap.bytes).toBe(bytes);
    expect(decoder.model.kernels.bytes).toBe(grown);
    decoder.close();
  },
);

goldenTest(
  "a search that finds no memory fails alone, and leaves none behind",
  `models/${SHIPPED}`,
  async () => {
    const golden = goldenTransformer(SHIPPED, cpu);
    const decoder = await goldenDecoder(golden);
    const { source } = golden.config.dictionary;
    const small = randomBatch(8, [4], source);
    const want = await search(decoder, small);
    const { past } = decoder.model.decoder;
    const grow = past.takeAll.bind(past);
    // As if memory were full for whoever asks for more than a small beam.
    past.takeAll = (before) => {
      if (before.length > 8) throw new Error("no memory");
      return grow(before);
    };
    const wide = new SequenceGenerator(decoder, { beam: 16, maxLenB: 20 });
    const both = [wide.generate(randomBatch(9, [6], source)), search(decoder, small)] as const;
    const [refused, found] = await Promise.allSettled(both);
    expect(refused.status).toBe("rejected");
    expect(found.status === "fulfilled" && said(found.value)).toEqual(said(want));
    expect(past.size).toBe(0);
    decoder.close();
  },
);

goldenTest("close() rejects the searches that still run", `models/${SHIPPED}`, async () => {
  const golden = goldenTransformer(SHIPPED, cpu);
  const decoder = await goldenDecoder(golden);
  const generator = new SequenceGenerator(decoder, { beam: 4, maxLenB: 20, minLen: 20 });
  let steps = 0;
  const running = generator.generate(randomBatch(8, [9], golden.config.dictionary.source), {
    observe: () => {
      if (++steps === 3) decoder.close();
    },
  });
  await expect(running).rejects.toThrow("the model was closed");
});

test("the goldens name a model that travels with every checkout", () => {
  expect(MODELS).toContain(SHIPPED);
});

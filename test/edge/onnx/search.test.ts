// Whole searches on ONNX Runtime: what the search asks for, several at a time, and what goes wrong.

import { expect, test } from "bun:test";
import { memorySource } from "../../../edge/export/bundle_files.ts";
import { openOnnxTranslator } from "../../../edge/onnx/open_onnx_translator.ts";
import { hashOfManifest } from "../../../edge/runtime/bundle.ts";
import { openTranslator } from "../../../edge/runtime/open_translator.ts";
import type { Hypothesis } from "../../../src/decode/hypothesis.ts";
import { SequenceGenerator } from "../../../src/decode/sequence_generator.ts";
import type { SourceBatch, StepDecoder, StepInput } from "../../../src/decode/step_decoder.ts";
import {
  kernels,
  onnxDecoder,
  ownDecoder,
  randomFiles,
  runtime,
  SYMBOLS,
} from "./random_bundle.ts";
import { largestDifference, play, randomBatch } from "./scripted_search.ts";

const PRE_NORM = { encoder_normalize_before: true, decoder_normalize_before: true };

const files = await randomFiles({ share_all_embeddings: true, ...PRE_NORM }, "none");

const search = (decoder: StepDecoder, batch: SourceBatch, beam: number) =>
  new SequenceGenerator(decoder, { beam, maxLenB: 40, noRepeatNgramSize: 0 }).generate(batch);

const said = (found: readonly Hypothesis[][]) =>
  found.map((list) => list.map(({ tokens }) => [...tokens]));

const flatScores = (found: readonly Hypothesis[][]) =>
  found.flatMap((list) => list.map(({ score }) => score));

for (const beam of [1, 2, 5]) {
  test(`a search with beam ${beam} finds the same on both engines`, async () => {
    const [onnx, own] = [await onnxDecoder(files), await ownDecoder(files)];
    const batch = randomBatch(8, [5, 17, 9, 2]);
    const [a, b] = [await search(onnx, batch, beam), await search(own, batch, beam)];
    expect(said(a)).toEqual(said(b));
    expect(largestDifference(flatScores(a), flatScores(b))).toBeLessThan(1e-4);
    onnx.close();
    own.close();
  });
}

test("searches that go on at the same time do not disturb each other", async () => {
  const onnx = await onnxDecoder(files);
  const batches = [[5, 17], [3], [40, 2, 9]].map((lengths, i) => randomBatch(20 + i, lengths));
  const alone = [];
  for (const [i, batch] of batches.entries()) alone.push(await search(onnx, batch, i + 1));
  const idle = onnx.model.memory.used;
  const together = await Promise.all(batches.map((batch, i) => search(onnx, batch, i + 1)));
  expect(together.map(said)).toEqual(alone.map(said));
  expect(onnx.model.memory.used).toBe(idle);
  onnx.close();
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
  "no rules": {},
  "banned tokens and a penalty": { banned: [2, 7, 30], penalty: 2.5 },
  "one token that is allowed": { only: 2 },
  "tokens that are forced in some rows": { forced: [-1, 9, -1, 5, -1, -1] },
  "more candidates than tokens": { banned: [5], count: 100 },
})) {
  test(`the graph chooses the candidates that our kernels choose, with ${name}`, async () => {
    const { count = 6, forced, ...of } = { count: undefined, forced: undefined, ...changed };
    const request = ({ rows }: StepInput) => ({
      count,
      scores: Float32Array.from({ length: rows }, (_, row) => -row / 7),
      rules: { ...rules, ...of, forced: forced && Int32Array.from(forced) },
    });
    const [onnx, own] = [await onnxDecoder(files), await ownDecoder(files)];
    const script = { batch: randomBatch(9, [6, 11]), beam: 3, steps: 5, request };
    const [a, b] = [await play(onnx, script), await play(own, script)];
    for (const [step, { scores = [], tokens = [] }] of a.entries()) {
      const wanted = b[step].scores ?? [];
      expect(largestDifference(scores, wanted)).toBeLessThan(1e-4);
      const possible = (token: number, i: number) => (wanted[i] === -Infinity ? -1 : token);
      const ours = b[step].tokens ?? new Int32Array();
      expect(Array.from(tokens, possible)).toEqual(Array.from(ours, possible));
    }
    onnx.close();
    own.close();
  });
}

for (const damaged of ["decoder.output_projection.weight", "decoder.layers.0.fc1.bias"]) {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    test(`a search says that ${value} in ${damaged} makes no numbers`, async () => {
      const broken = await randomFiles({}, "none", ({ tensors, ...parts }) => ({
        ...parts,
        tensors: tensors.map((tensor) =>
          tensor.name === damaged
            ? { ...tensor, data: tensor.data.slice().fill(value, 5, 6) }
            : tensor,
        ),
      }));
      const onnx = await onnxDecoder(broken);
      await expect(search(onnx, randomBatch(1, [5]), 2)).rejects.toThrow(/no number|NaN/i);
      onnx.close();
    });
  }
}

test("openOnnxTranslator() gives the translator that openTranslator() gives", async () => {
  const source = memorySource(files, "random");
  const [onnx, own] = [
    await openOnnxTranslator(source, runtime),
    await openTranslator(source, kernels),
  ];
  const text = "w3 w9 w12. W4 w20 w33!";
  const options = { beam: 3, alignments: true, prefix: "w5", max_len: 12 };
  const [a, b] = [await onnx.translate(text, options), await own.translate(text, options)];
  expect(a.text).toBe(b.text);
  expect(a.sentences.length).toBe(2);
  const [first, second] = [a, b].map(({ sentences }) => sentences[0].hypotheses[0]);
  expect(first.alignment?.source).toEqual([...(second.alignment?.source ?? [])]);
  const weights = [first, second].map(({ alignment }) => alignment?.weights.flat() ?? []);
  expect(largestDifference(weights[0], weights[1])).toBeLessThan(1e-5);
  expect(onnx.memory.used).toBeGreaterThan(0);
  const scored = await onnx.score("w3 w9", "w12 w4");
  expect(scored.score).toBeCloseTo((await own.score("w3 w9", "w12 w4")).score, 4);
  onnx.close();
  own.close();
  expect(onnx.memory.used).toBe(0);
});

test("tied embeddings lie in ONNX Runtime's memory once", async () => {
  const used = async (settings: { share_all_embeddings: boolean }) => {
    const decoder = await onnxDecoder(await randomFiles(settings, "int8"));
    const { used } = decoder.model.memory;
    decoder.close();
    return used;
  };
  const [tied, apart] = [{ share_all_embeddings: true }, { share_all_embeddings: false }];
  const table = SYMBOLS * 40 + SYMBOLS * 4; // integers, and the scales of rows
  expect((await used(apart)) - (await used(tied))).toBe(2 * table);
});

test("a search on ONNX Runtime that runs when the model is closed is rejected", async () => {
  const onnx = await onnxDecoder(files);
  const running = search(onnx, randomBatch(2, [9]), 2);
  await new Promise((resolve) => setTimeout(resolve, 5));
  onnx.close();
  await expect(running).rejects.toThrow("the model was closed");
  await expect(search(onnx, randomBatch(2, [9]), 2)).rejects.toThrow("the model was closed");
});

test("openOnnxTranslator() names the tensor that a bundle lacks", async () => {
  const changed = new Map(files);
  const manifest = JSON.parse(new TextDecoder().decode(files.get("manifest.json")));
  const name = "decoder.layers.1.fc2.bias";
  manifest.tensors = manifest.tensors.filter((tensor: { name: string }) => tensor.name !== name);
  const { sha256: _, ...rest } = manifest;
  const whole = { ...rest, sha256: await hashOfManifest(rest) };
  changed.set("manifest.json", new TextEncoder().encode(JSON.stringify(whole)));
  const opened = openOnnxTranslator(memorySource(changed, "random"), runtime);
  await expect(opened).rejects.toThrow(`random/manifest.json: has no tensor ${name}`);
});

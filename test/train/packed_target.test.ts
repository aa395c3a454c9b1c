import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Criterion } from "../../src/criterions/criterion.ts";
import { crossEntropy } from "../../src/criterions/cross_entropy.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import type { HostSample } from "../../src/train/host_sample.ts";
import { packTarget } from "../../src/train/packed_target.ts";
import { TrainingStep } from "../../src/train/training_step.ts";
import { countPrograms, toyTrainer } from "../support/toy_training.ts";

const PAD = 1;

function sampleOf(lengths: readonly number[], width: number, left: boolean): HostSample {
  const [B, data] = [lengths.length, new Int32Array(lengths.length * width).fill(PAD)];
  for (const [b, length] of lengths.entries()) {
    const first = b * width + (left ? width - length : 0);
    for (let t = 0; t < length; t++) data[first + t] = 5 + t;
  }
  const tokens = { data, shape: [B, width] };
  return { srcTokens: tokens, prevOutputTokens: tokens, target: tokens, padding: PAD };
}

const batches = fc
  .integer({ min: 1, max: 40 })
  .chain((width) =>
    fc.tuple(
      fc.array(fc.integer({ min: 1, max: width }), { minLength: 1, maxLength: 40 }),
      fc.constant(width),
      fc.boolean(),
    ),
  );

test("packTarget() numbers every token once, in order, and its places are the inverse", () => {
  fc.assert(
    fc.property(batches, ([lengths, width, left]) => {
      const sample = sampleOf(lengths, width, left);
      const size = sample.target.data.length;
      const packed = packTarget(sample);
      const used = lengths.reduce((sum, length) => sum + length, 0);
      const [fewest, most] = [used / size, (used + size / 32) / size].map((x) => 1 - x);
      if (!packed) {
        expect(most).toBeLessThanOrEqual(1 / 16 + 1 / size);
        return;
      }
      expect(fewest).toBeGreaterThanOrEqual(1 / 16);
      const rows = [...packed.targetRows.data];
      const places = [...packed.targetPlaces.data];
      expect(packed.targetRows.shape).toEqual([rows.length]);
      expect(packed.targetPlaces.shape).toEqual(sample.target.shape as number[]);
      expect(rows).toEqual([...new Set(rows)].sort((a, b) => a - b));
      expect(rows.length - used).toBeLessThan(Math.max(1, size / 32));
      for (const [row, place] of rows.entries()) expect(places[place]).toBe(row);
      expect(places.filter((row) => row >= 0).length).toBe(rows.length);
      const starts = [...packed.targetStarts.data];
      expect(starts).toEqual(
        [...lengths.keys(), lengths.length].map((b) => rows.filter((p) => p < b * width).length),
      );
      for (const [place, token] of sample.target.data.entries()) {
        if (token !== PAD) expect(places[place]).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});

test("packTarget() leaves a batch with little padding as it is", () => {
  expect(packTarget(sampleOf([16, 16, 15, 14], 16, false))).toBeUndefined();
  expect(packTarget(sampleOf([16, 8, 4, 2], 16, false))?.targetRows.shape).toEqual([30]);
});

test("packTarget() keeps what the decoder is fed where the target has none", () => {
  const short = sampleOf([2, 3], 8, false);
  const fed = sampleOf([4, 3], 8, false);
  const packed = packTarget({ ...short, prevOutputTokens: fed.target });
  expect([...(packed?.targetRows.data ?? [])]).toEqual([0, 1, 2, 3, 8, 9, 10]);
});

test("A criterion that computes all positions gets the others too, and no plan for each number of them", async () => {
  const { device, alive } = countPrograms(await openCpuDevice({ threads: 1, blas: "none" }));
  const packing = crossEntropy.build({}, { padding: PAD, sentenceAvg: false });
  const whole: Criterion = {
    ...packing,
    forward: (model, { srcTokens, prevOutputTokens, target }) =>
      packing.forward(model, { srcTokens, prevOutputTokens, target }),
  };
  for (const [criterion, plans] of [
    [packing, 2],
    [whole, 1],
  ] as const) {
    const { options } = toyTrainer(device);
    const step = new TrainingStep({ ...options, criterion, average: undefined, spans: undefined });
    for (const lengths of [
      [16, 9, 2],
      [16, 2, 2],
    ]) {
      const key = { seed: 1, update: 1, microBatch: 0 };
      const sums = step.gradients(sampleOf(lengths, 16, false), key, "first", "");
      expect((await sums.loss.read())[0]).toBeGreaterThan(0);
    }
    expect(alive()).toBe(plans);
    step.release();
  }
  device.close();
});

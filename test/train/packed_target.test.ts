import { expect, test } from "bun:test";
import fc from "fast-check";
import type { HostSample } from "../../src/train/host_sample.ts";
import { packTarget } from "../../src/train/packed_target.ts";

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
      const packed = packTarget(sample, "cheap");
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
  expect(packTarget(sampleOf([16, 16, 15, 14], 16, false), "cheap")).toBeUndefined();
  expect(packTarget(sampleOf([16, 8, 4, 2], 16, false), "cheap")?.targetRows.shape).toEqual([30]);
  expect(packTarget(sampleOf([16, 8, 4, 2], 16, false), "dear")?.targetRows.shape).toEqual([32]);
});

test("packTarget() keeps what the decoder is fed where the target has none", () => {
  const short = sampleOf([2, 3], 8, false);
  const fed = sampleOf([4, 3], 8, false);
  const packed = packTarget({ ...short, prevOutputTokens: fed.target }, "cheap");
  expect([...(packed?.targetRows.data ?? [])]).toEqual([0, 1, 2, 3, 8, 9, 10]);
});

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { GeneratorOptions } from "../../src/decode/sequence_generator.ts";
import { SequenceGenerator } from "../../src/decode/sequence_generator.ts";
import { applyRules, rowCandidates } from "../../src/decode/token_rules.ts";
import { batchOf } from "./pure_case.ts";
import { type Table, tableDecoder } from "./table_decoder.ts";

const V = 9;
const PERIOD = 3;
const IMPOSSIBLE = Number.NEGATIVE_INFINITY;

/** Few different values, so that ties, and with -Infinity dead ends, are common. */
const table: fc.Arbitrary<Table> = fc
  .array(
    fc.oneof({ arbitrary: fc.integer({ min: -12, max: -1 }), weight: 9 }, fc.constant(IMPOSSIBLE)),
    {
      minLength: 2 * PERIOD * V * V,
      maxLength: 2 * PERIOD * V * V,
    },
  )
  .map((values) => ({
    shape: [2, PERIOD, V, V] as const,
    data: Float32Array.from(values, (value) => value / 7),
  }));

const options: fc.Arbitrary<Partial<GeneratorOptions>> = fc.record({
  beam: fc.integer({ min: 1, max: 10 }),
  maxLenB: fc.integer({ min: 3, max: 9 }),
  minLen: fc.integer({ min: 0, max: 3 }),
  lenpen: fc.constantFrom(0, 0.6, 1, 2),
  unkpen: fc.constantFrom(0, 0.4, -0.7),
  noRepeatNgramSize: fc.constantFrom(0, 2, 3),
  suppress: fc.subarray([5, 7]),
});

const prefix = fc.option(
  fc.array(fc.constantFrom(1, 2, 3, 4, 8), { minLength: 4, maxLength: 4 }).map((tokens) => ({
    tokens: Int32Array.from(tokens),
    width: 2,
  })),
  { nil: undefined },
);

test("SequenceGenerator finds the same from whole rows and from a decoder's candidates", async () => {
  await fc.assert(
    fc.asyncProperty(table, options, prefix, async (given, settings, tokens) => {
      const batch = batchOf([
        [1, 4, 2],
        [5, 6, 2],
      ]);
      const search = (offersCandidates: boolean) =>
        new SequenceGenerator(tableDecoder(given, { offersCandidates }), settings).generate(batch, {
          prefix: tokens,
        });
      const found = await search(false);
      expect(await search(true)).toEqual(found);
      for (const list of found) {
        expect(list.length).toBeGreaterThan(0);
        expect(list.length).toBeLessThanOrEqual(Math.min(settings.beam ?? 1, V - 1));
        const scores = list.map(({ score }) => score);
        expect(scores).toEqual([...scores].sort((a, b) => b - a));
        for (const { tokens: said } of list) expect(said[said.length - 1]).toBe(2);
      }
    }),
    { numRuns: 150, seed: 20 },
  );
});

test("applyRules() lets a forced token pass every ban of its row", () => {
  const logProbs = new Float32Array(2 * V).fill(-1);
  applyRules(logProbs, 2, V, {
    banned: [1],
    only: undefined,
    penalised: 3,
    penalty: 0.5,
    forced: Int32Array.of(3, -1),
    rowBans: { offsets: Int32Array.of(0, 1, 2), tokens: Int32Array.of(3, 4) },
  });
  expect([...logProbs.subarray(0, V)]).toEqual(
    Array.from({ length: V }, (_, token) => (token === 3 ? -1.5 : IMPOSSIBLE)),
  );
  const free: number[] = Array.from({ length: V }, (_, token) => (token === 3 ? -1.5 : -1));
  free[1] = IMPOSSIBLE;
  free[4] = IMPOSSIBLE;
  expect([...logProbs.subarray(V)]).toEqual(free);
});

test("rowCandidates() adds scores in float32 and leaves what is impossible blank", () => {
  const logProbs = Float32Array.of(-3, IMPOSSIBLE, -1, IMPOSSIBLE);
  const rules = {
    banned: [],
    only: undefined,
    penalised: 3,
    penalty: 0,
    forced: undefined,
    rowBans: undefined,
  };
  const found = rowCandidates(logProbs, 1, 4, { count: 3, scores: Float32Array.of(-0.5), rules });
  expect([...found.scores]).toEqual([-1.5, -3.5, IMPOSSIBLE]);
  expect([...found.tokens].slice(0, 2)).toEqual([2, 0]);
});

test("SequenceGenerator ends at once where the length limit leaves no room", async () => {
  const flat: Table = { shape: [1, 1, V, V], data: new Float32Array(V * V).fill(-1) };
  for (const maxLenB of [0, -1]) {
    const generator = new SequenceGenerator(tableDecoder(flat), { beam: 3, minLen: -1, maxLenB });
    const [[best, ...others]] = await generator.generate(batchOf([[4, 2]]));
    expect([...best.tokens]).toEqual([2]);
    expect(others).toEqual([]);
  }
});

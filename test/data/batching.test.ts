import { expect, test } from "bun:test";
import fc from "fast-check";
import { UserError } from "../../src/config/user_error.ts";
import { batchFixedShapes, sortShapes } from "../../src/data/batch_fixed_shapes.ts";
import { batchBySize } from "../../src/data/batching.ts";
import { Dictionary } from "../../src/data/dictionary.ts";
import { planBatches } from "../../src/data/epoch_batches.ts";
import { LanguagePairDataset } from "../../src/data/language_pair_dataset.ts";
import { bucketOf, lengthBuckets } from "../../src/data/length_buckets.ts";
import { filterIndicesBySize, resolveMaxPositions } from "../../src/data/length_limits.ts";
import { tokenList } from "../../src/data/token_dataset.ts";
import { goldenTest, readGolden } from "../support/golden.ts";

const file = "data/batching.json";
const goldenCases = <T>(kind: string): T[] =>
  readGolden<{ cases: { kind: string }[] }>(file).cases.filter((c) => c.kind === kind) as T[];
const range = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i);
const lists = (batches: Int32Array[]): number[][] => batches.map((batch) => [...batch]);

/** A dataset of given lengths; token values are as in the goldens: 4, 5, 6, ..., eos. */
function pairsOfSizes(src: number[], tgt: number[] | undefined, options = {}): LanguagePairDataset {
  const sequence = (size: number) => [...Array.from({ length: size - 1 }, (_, i) => i + 4), 2];
  return new LanguagePairDataset({
    source: tokenList(src.map(sequence)),
    sourceDictionary: new Dictionary(),
    target: tgt && tokenList(tgt.map(sequence)),
    targetDictionary: new Dictionary(),
    ...options,
  });
}

goldenTest("batchBySize() cuts where fairseq cuts", file, () => {
  type Row = [number | null, number | null, number, number[] | { error: string }];
  let checked = 0;
  for (const { sets } of goldenCases<{ sets: { num_tokens: number[]; rows: Row[] }[] }>(
    "batch_by_size",
  )) {
    for (const { num_tokens, rows } of sets) {
      for (const [maxTokens, maxSentences, requiredBatchSizeMultiple, ends] of rows) {
        const cut = () =>
          batchBySize(range(num_tokens.length), (i) => num_tokens[i] ?? 0, {
            maxTokens: maxTokens ?? undefined,
            maxSentences: maxSentences ?? undefined,
            requiredBatchSizeMultiple,
          });
        checked++;
        if (!Array.isArray(ends)) expect(cut).toThrow(UserError);
        else expect(cut().map((batch) => (batch.at(-1) ?? -1) + 1)).toEqual(ends);
      }
    }
  }
  expect(checked).toBeGreaterThan(500);
});

goldenTest("batchBySize() never reorders", file, () => {
  type Row = {
    indices: number[];
    num_tokens_by_id: number[];
    max_tokens: number | null;
    max_sentences: number | null;
    mult: number;
    batches: number[][];
  };
  for (const { rows } of goldenCases<{ rows: Row[] }>("batch_by_size_indices")) {
    for (const row of rows) {
      const batches = batchBySize(
        Int32Array.from(row.indices),
        (i) => row.num_tokens_by_id[i] ?? 0,
        {
          maxTokens: row.max_tokens ?? undefined,
          maxSentences: row.max_sentences ?? undefined,
          requiredBatchSizeMultiple: row.mult,
        },
      );
      expect(lists(batches)).toEqual(row.batches);
    }
  }
});

test("batchBySize() puts every sentence into exactly one batch, within the limits", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 64 }));
  const limits = fc.record({
    maxTokens: fc.integer({ min: 64, max: 400 }),
    maxSentences: fc.integer({ min: 0, max: 20 }),
    requiredBatchSizeMultiple: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(sizes, limits, (lengths, limit) => {
      const batches = batchBySize(range(lengths.length), (i) => lengths[i] ?? 0, limit);
      expect(lists(batches).flat()).toEqual([...range(lengths.length)]);
      for (const batch of batches) {
        const longest = Math.max(...[...batch].map((i) => lengths[i] ?? 0));
        expect(batch.length * longest).toBeLessThanOrEqual(limit.maxTokens);
        if (limit.maxSentences > 0) expect(batch.length).toBeLessThanOrEqual(limit.maxSentences);
      }
    }),
  );
});

interface OrderCase {
  src_sizes: number[];
  tgt_sizes: number[];
  rows: { seed: number | null; shuffle: boolean; ordered: number[] }[];
}

goldenTest("orderedIndices() sorts by source, target, then at random", file, () => {
  for (const { src_sizes, tgt_sizes, rows } of goldenCases<OrderCase>("ordered_indices_langpair")) {
    for (const { seed, shuffle, ordered } of rows) {
      const dataset = pairsOfSizes(src_sizes, tgt_sizes, { shuffle });
      expect([...dataset.orderedIndices(seed ?? 0)]).toEqual(ordered);
    }
  }
  type NoTarget = { src_sizes: number[]; seed: number; ordered: number[] };
  for (const c of goldenCases<NoTarget>("ordered_indices_langpair_no_target")) {
    expect([...pairsOfSizes(c.src_sizes, undefined).orderedIndices(c.seed)]).toEqual(c.ordered);
  }
});

goldenTest("filterIndicesBySize() keeps and drops as fairseq does", file, () => {
  type Limit = number | (number | "inf")[] | null;
  type FilterCase = {
    shuffled_seed1: number[];
    rows: { indices: string; max_sizes: Limit; kept: number[]; ignored: number[] }[];
  };
  const [sizes] = goldenCases<OrderCase>("ordered_indices_langpair");
  const dataset = pairsOfSizes(sizes?.src_sizes ?? [], sizes?.tgt_sizes);
  for (const { shuffled_seed1, rows } of goldenCases<FilterCase>("filter_langpair")) {
    for (const { indices, max_sizes, kept, ignored } of rows) {
      const order = indices === "arange" ? range(dataset.length) : Int32Array.from(shuffled_seed1);
      const pair = Array.isArray(max_sizes) ? max_sizes : [max_sizes ?? "inf", max_sizes ?? "inf"];
      const [src = 0, tgt = 0] = pair.map((m) => (typeof m === "number" ? m : Infinity));
      const result = filterIndicesBySize(dataset, order, [src, tgt]);
      expect([...result.kept]).toEqual(kept);
      expect([...result.tooLong]).toEqual(ignored);
    }
  }
});

test("resolveMaxPositions() takes the strictest limit of each side", () => {
  expect(resolveMaxPositions([1024, 1024], [512, 700])).toEqual([512, 700]);
  expect(resolveMaxPositions([1024, 1024], 512)).toEqual([512, 512]);
  expect(resolveMaxPositions(512, [1024, 300])).toEqual([512, 300]);
  expect(resolveMaxPositions(undefined, [10, 20])).toEqual([10, 20]);
  expect(resolveMaxPositions([undefined, 20], [30, undefined])).toEqual([30, 20]);
  expect(resolveMaxPositions(undefined)).toEqual([Infinity, Infinity]);
});

goldenTest("planBatches() makes the batches of fairseq's task", file, () => {
  type Row = {
    seed: number;
    max_tokens: number | null;
    max_sentences: number | null;
    mult: number;
    max_positions: [number, number];
    ignored: number[];
    batches: number[][];
  };
  type Pipeline = { src_sizes: number[]; tgt_sizes: number[]; rows: Row[] };
  for (const { src_sizes, tgt_sizes, rows } of goldenCases<Pipeline>("pipeline")) {
    const dataset = pairsOfSizes(src_sizes, tgt_sizes);
    for (const row of rows) {
      const plan = planBatches(dataset, {
        seed: row.seed,
        maxTokens: row.max_tokens ?? undefined,
        maxSentences: row.max_sentences ?? undefined,
        requiredBatchSizeMultiple: row.mult,
        limits: row.max_positions,
        onTooLong: "skip",
        what: "train",
      });
      expect(lists(plan.batches)).toEqual(row.batches);
      expect([...plan.report.tooLong]).toEqual(row.ignored);
    }
  }
});

goldenTest("lengthBuckets() are numpy's percentiles", file, () => {
  type Row = { sizes: number[] | string; n: number; buckets: number[]; bucketed: number[] };
  const [order] = goldenCases<OrderCase>("ordered_indices_langpair");
  for (const { rows } of goldenCases<{ rows: Row[] }>("get_buckets")) {
    for (const { sizes, n, buckets, bucketed } of rows) {
      const lengths = Int32Array.from(typeof sizes === "string" ? (order?.src_sizes ?? []) : sizes);
      const found = lengthBuckets(lengths, n);
      expect([...found]).toEqual(buckets);
      expect([...lengths].map((size) => bucketOf(found, size))).toEqual(bucketed);
    }
  }
});

goldenTest("LanguagePairDataset pads items to --num-batch-buckets lengths", file, () => {
  type Row = {
    num_buckets: number;
    src_sizes: number[];
    tgt_sizes: number[];
    bucketed_src: number[];
    bucketed_tgt: number[];
    ordered_no_shuffle: number[];
    item0: { id: number; source: number[]; target: number[] };
    batches: {
      max_tokens: number | null;
      max_sentences: number | null;
      mult: number;
      batches: number[][];
    }[];
  };
  for (const { rows } of goldenCases<{ rows: Row[] }>("buckets")) {
    for (const row of rows) {
      const dataset = pairsOfSizes(row.src_sizes, row.tgt_sizes, {
        shuffle: false,
        numBuckets: row.num_buckets,
      });
      expect([...dataset.source.sizes]).toEqual(row.bucketed_src);
      expect([...(dataset.target?.sizes ?? [])]).toEqual(row.bucketed_tgt);
      const ordered = dataset.orderedIndices(0);
      expect([...ordered]).toEqual(row.ordered_no_shuffle);
      const { source, target } = dataset.get(0);
      expect({ source: [...source], target: [...(target ?? [])] }).toEqual({
        source: row.item0.source,
        target: row.item0.target,
      });
      for (const { max_tokens, max_sentences, mult, batches } of row.batches) {
        const cut = batchBySize(ordered, (i) => dataset.numTokens(i), {
          maxTokens: max_tokens ?? undefined,
          maxSentences: max_sentences ?? undefined,
          requiredBatchSizeMultiple: mult,
        });
        expect(lists(cut)).toEqual(batches);
      }
    }
  }
});

const long = pairsOfSizes([3, 9, 4], [3, 3, 8]);
const plan = (onTooLong: "error" | "skip" | "truncate") =>
  planBatches(long, { seed: 1, maxTokens: 50, limits: [5, 6], onTooLong, what: "train" });

test("planBatches() refuses over-long pairs by id under --on-too-long error", () => {
  expect(() => plan("error")).toThrow(
    "train: 2 of 3 sentence pairs are longer than (5, 6) tokens: 1 (9, 3), 2 (4, 8)",
  );
});

test("planBatches() counts what --on-too-long skip leaves out", () => {
  const { batches, report } = plan("skip");
  expect(lists(batches).flat()).toEqual([0]);
  expect(report.message).toContain(
    "2 of 3 sentence pairs are longer than (5, 6) tokens and are skipped",
  );
});

test("planBatches() cuts pairs and keeps their eos under --on-too-long truncate", () => {
  const { dataset, batches, report } = plan("truncate");
  expect(lists(batches).flat().sort()).toEqual([0, 1, 2]);
  expect([...dataset.get(1).source]).toEqual([4, 5, 6, 7, 2]);
  expect([...(dataset.get(2).target ?? [])]).toEqual([4, 5, 6, 7, 8, 2]);
  expect([...report.tooLong]).toEqual([1, 2]);
});

goldenTest("batchFixedShapes() fills fairseq's shapes", file, () => {
  type Row = {
    shapes: [number, number][];
    shapes_sorted: [number, number][];
    num_tokens: string;
    batches: number[][];
  };
  type Sets = { sets: { name: string; num_tokens: number[] }[] };
  const sets = goldenCases<Sets>("batch_by_size").flatMap((c) => c.sets);
  for (const { rows } of goldenCases<{ rows: Row[] }>("fixed_shapes")) {
    for (const { shapes, shapes_sorted, num_tokens, batches } of rows) {
      const [name] = num_tokens.split(" ");
      const sizes =
        sets.find((set) => set.name === name)?.num_tokens.map((size) => Math.min(size, 40)) ?? [];
      expect(sortShapes(shapes)).toEqual(shapes_sorted);
      const cut = batchFixedShapes(range(sizes.length), (i) => sizes[i] ?? 0, shapes);
      expect(lists(cut).flat()).toEqual([...range(sizes.length)]);
      for (const batch of cut) {
        const longest = Math.max(...[...batch].map((i) => sizes[i] ?? 0));
        const fits = shapes.some(([most, length]) => batch.length <= most && longest <= length);
        expect({ batch: [...batch], fits }).toEqual({ batch: [...batch], fits: true });
      }
      // fairseq forgets the length of a batch's first sentence, so that where a shorter one follows
      // the batch may fit no shape. Sorted by length, as its datasets are, nothing shorter follows.
      if (name !== "unsorted") expect(lists(cut)).toEqual(batches);
    }
  }
});

test("batchFixedShapes() refuses a sentence that no shape holds", () => {
  const sizes = [3, 50, 4];
  expect(() =>
    batchFixedShapes(range(3), (i) => sizes[i] ?? 0, [
      [2, 10],
      [1, 40],
    ]),
  ).toThrow("sentence 1: it has 50 tokens, which none of the batch shapes 1x40, 2x10 holds");
});

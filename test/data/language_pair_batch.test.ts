import { expect, test } from "bun:test";
import { collateTokens, type TokenMatrix } from "../../src/data/collate_tokens.ts";
import { Dictionary } from "../../src/data/dictionary.ts";
import type { LanguagePairItem } from "../../src/data/language_pair_batch.ts";
import {
  LanguagePairDataset,
  type LanguagePairOptions,
} from "../../src/data/language_pair_dataset.ts";
import { tokenList } from "../../src/data/token_dataset.ts";
import { goldenTest, readGolden } from "../support/golden.ts";

const rows = ({ data, shape: [rowCount, width] }: TokenMatrix): number[][] =>
  Array.from({ length: rowCount }, (_, row) => [...data.subarray(row * width, (row + 1) * width)]);

goldenTest(
  "collateTokens() pads as fairseq's collate_tokens",
  "data/collate/collate_tokens.json",
  () => {
    type Case = {
      name: string;
      kwargs: Record<string, number | boolean | null>;
      values_last_changed?: boolean;
      result: number[][];
    };
    const { note, cases } = readGolden<{ note: { values: number[][] }; cases: Case[] }>(
      "data/collate/collate_tokens.json",
    );
    for (const { name, kwargs, values_last_changed, result } of cases) {
      const sequences = note.values.map((row, i) =>
        values_last_changed ? [...row.slice(0, -1), 30 + i] : row,
      );
      const number = (key: string) => (kwargs[key] ?? undefined) as number | undefined;
      const matrix = collateTokens(
        sequences.map((row) => Int32Array.from(row)),
        {
          pad: number("pad_idx") ?? 1,
          eos: "eos_idx" in kwargs ? number("eos_idx") : 2,
          leftPad: kwargs.left_pad === true,
          moveEosToBeginning: kwargs.move_eos_to_beginning === true,
          padToLength: number("pad_to_length"),
          padToMultiple: number("pad_to_multiple"),
          padToRows: number("pad_to_bsz"),
        },
      );
      expect({ name, rows: rows(matrix) }).toEqual({ name, rows: result });
    }
  },
);

interface ItemJson {
  id: number;
  source: number[];
  target?: number[] | null;
  alignment?: number[];
  prev_output_tokens?: number[];
}
interface PairCase {
  name: string;
  item_ids: number[];
  options: Record<string, unknown>;
  collater_args: { pad_to_length?: { source: number; target: number } };
  items: ItemJson[];
  batch: {
    id: number[];
    nsentences: number;
    ntokens: number;
    net_input: { src_tokens: number[][]; src_lengths: number[]; prev_output_tokens?: number[][] };
    target?: number[][] | null;
    alignments?: number[][];
    align_weights?: number[];
  };
}

const parse = (item: ItemJson): LanguagePairItem => ({
  id: item.id,
  source: Int32Array.from(item.source),
  target: item.target ? Int32Array.from(item.target) : undefined,
  prevOutputTokens: item.prev_output_tokens && Int32Array.from(item.prev_output_tokens),
  alignment: item.alignment && Int32Array.from(item.alignment),
});

const print = (item: LanguagePairItem) => ({
  id: item.id,
  source: [...item.source],
  target: item.target && [...item.target],
  alignment: item.alignment && [...item.alignment],
});

function datasetOf(
  options: Record<string, unknown>,
  note: { src: number[][]; tgt: number[][] },
  changed: Partial<LanguagePairOptions> = {},
) {
  const flag = (key: string) => options[key] as boolean | undefined;
  const count = (key: string) => options[key] as number | undefined;
  const alignments = options.align_dataset as number[][] | undefined;
  return new LanguagePairDataset({
    source: tokenList(note.src),
    sourceDictionary: new Dictionary(),
    target: tokenList(note.tgt),
    targetDictionary: new Dictionary(),
    alignments: alignments && tokenList(alignments),
    leftPadSource: flag("left_pad_source"),
    leftPadTarget: flag("left_pad_target"),
    inputFeeding: flag("input_feeding"),
    removeEosFromSource: flag("remove_eos_from_source"),
    appendEosToTarget: flag("append_eos_to_target"),
    appendBos: flag("append_bos"),
    numBuckets: count("num_buckets"),
    eos: count("eos"),
    padToMultiple: count("pad_to_multiple"),
    ...changed,
  });
}

const file = "data/collate/langpair.json";
const pairGolden = () =>
  readGolden<{
    note: { src: number[][]; tgt: number[][] };
    cases: (PairCase & { batch_json?: unknown })[];
  }>(file);

goldenTest("LanguagePairDataset collates fairseq's batches", file, () => {
  const { note, cases } = pairGolden();
  let checked = 0;
  for (const c of cases) {
    if (!c.batch) continue;
    const dataset = datasetOf(c.options, note);
    const batch = dataset.collate(c.items.map(parse), c.collater_args.pad_to_length);
    if (!batch) throw new Error(`${c.name}: no batch`);
    const { net_input: input, target } = c.batch;
    expect({
      name: c.name,
      ids: [...batch.ids],
      nsentences: batch.nsentences,
      ntokens: batch.ntokens,
      src: rows(batch.srcTokens),
      lengths: [...batch.srcLengths],
      prev: batch.prevOutputTokens && rows(batch.prevOutputTokens),
      target: batch.target && rows(batch.target),
      alignments: batch.alignments && [...batch.alignments.pairs],
    }).toEqual({
      name: c.name,
      ids: c.batch.id,
      nsentences: c.batch.nsentences,
      ntokens: c.batch.ntokens,
      src: input.src_tokens,
      lengths: input.src_lengths,
      prev: input.prev_output_tokens,
      target: target ?? undefined,
      alignments: c.batch.alignments?.flat(),
    });
    for (const [i, weight] of (c.batch.align_weights ?? []).entries()) {
      expect(batch.alignments?.weights[i]).toBeCloseTo(weight, 6);
    }
    checked++;
  }
  expect(checked).toBeGreaterThan(40);
});

goldenTest("LanguagePairDataset gives fairseq's items", file, () => {
  const { note, cases } = pairGolden();
  // These change what the items are made from, or show fairseq losing a token (tested below).
  const otherData = new Set([
    "append_eos_to_target",
    "targets_without_eos",
    "append_bos_and_eos",
    "append_bos_present",
    "append_bos_remove_eos",
    "pad_inside",
    "prev_output_given",
    "no_target",
  ]);
  for (const c of cases) {
    if (!c.batch || otherData.has(c.name)) continue;
    const dataset = datasetOf(c.options, note);
    expect({ name: c.name, items: c.item_ids.map((id) => print(dataset.get(id))) }).toEqual({
      name: c.name,
      items: c.items.map((item) => print(parse(item))),
    });
  }
});

test("LanguagePairDataset combines appendBos with the eos options, which fairseq does not", () => {
  const note = { src: [[5, 6, 2]], tgt: [[7, 8]] };
  const both = datasetOf({ append_bos: true, append_eos_to_target: true }, note).get(0);
  expect([...(both.target ?? [])]).toEqual([0, 7, 8, 2]);
  const bare = datasetOf({ append_bos: true, remove_eos_from_source: true }, note).get(0);
  expect([...bare.source]).toEqual([0, 5, 6]);
  const present = datasetOf({ append_bos: true }, { src: [[0, 5, 2]], tgt: [[0, 7, 2]] }).get(0);
  expect([...present.source]).toEqual([0, 5, 2]);
});

test("LanguagePairDataset has no batch for no items and no target columns without targets", () => {
  const dataset = datasetOf({}, { src: [[5, 2]], tgt: [[7, 2]] }, { target: undefined });
  expect(dataset.batch([])).toBeUndefined();
  const batch = dataset.batch([0]);
  expect(batch?.target).toBeUndefined();
  expect(batch?.prevOutputTokens).toBeUndefined();
  expect(batch?.ntokens).toBe(2);
});

goldenTest(
  "collation sorts by falling source length, ties in the given order",
  "data/collate/length_ties.json",
  () => {
    type Ties = { lengths: number[]; id: number[]; equals_stable_descending_sort: boolean };
    for (const c of readGolden<{ cases: Ties[] }>("data/collate/length_ties.json").cases) {
      const sequences = c.lengths.map((length) => Array.from({ length }, () => 4));
      const batch = datasetOf({}, { src: sequences, tgt: sequences }).batch(c.lengths.keys());
      const lengths = [...(batch?.ids ?? [])].map((id) => c.lengths[id]);
      expect(lengths).toEqual(c.id.map((id) => c.lengths[id]));
      if (c.equals_stable_descending_sort) expect([...(batch?.ids ?? [])]).toEqual(c.id);
    }
  },
);

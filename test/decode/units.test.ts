import { expect, test } from "bun:test";
import fc from "fast-check";
import { alignedSources, hardAlignment, softAlignment } from "../../src/decode/alignment.ts";
import { ensemble, logMeanExp } from "../../src/decode/ensemble.ts";
import { repeatedNgramEnds } from "../../src/decode/ngram_block.ts";
import { replaceUnknown } from "../../src/decode/replace_unk.ts";
import {
  type ConstraintState,
  OrderedConstraints,
  UnorderedConstraints,
  unpackConstraints,
} from "../../src/decode/search/constraint_states.ts";
import { seededDraw } from "../../src/decode/search/draw.ts";
import { philox } from "../../src/decode/search/philox.ts";
import { topPPool } from "../../src/decode/search/sampling.ts";
import { SequenceGenerator } from "../../src/decode/sequence_generator.ts";
import { TopK } from "../../src/decode/top_k.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { batchOf } from "./pure_case.ts";
import { readTensors, tableDecoder } from "./table_decoder.ts";

const special = { pad: 1, eos: 2 };

test("TopK keeps what a stable descending sort puts first", () => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Number.NaN, -Infinity));
  fc.assert(
    fc.property(fc.array(value), fc.integer({ min: 1, max: 9 }), (values, k) => {
      const top = new TopK(k);
      top.scan(Float32Array.from(values), 0, values.length, 0.5, 10);
      const sorted = values
        .map((score, i) => ({ score: score + 0.5, index: i + 10 }))
        .filter(({ score }) => score > Number.NEGATIVE_INFINITY)
        .sort((a, b) => b.score - a.score)
        .slice(0, k);
      expect(top.size).toBe(sorted.length);
      for (const [i, { score, index }] of sorted.entries()) {
        expect(top.scores[i]).toBe(score);
        expect(top.indices[i]).toBe(index);
      }
    }),
  );
});

test("TopK compares sums as float32, so that ties are those of float32", () => {
  const top = new TopK(2);
  // 1e8 + 1 and 1e8 + 2 are the same float: the first offered stays ahead.
  top.scan(Float32Array.from([1, 2]), 0, 2, 1e8, 0);
  expect([...top.indices]).toEqual([0, 1]);
});

goldenTest(
  "repeatedNgramEnds() bans what fairseq's block module bans",
  "decode/pure/ngram_block.json",
  () => {
    interface Block {
      cases: { n: number; step: number; tokens: number[][]; banned: number[][] }[];
    }
    for (const { n, step, tokens, banned } of readGolden<Block>("decode/pure/ngram_block.json")
      .cases) {
      for (const [i, row] of tokens.entries()) {
        const ends: number[] = [];
        repeatedNgramEnds(Int32Array.from(row), step + 1, n, ends);
        expect([...new Set(ends)].sort()).toEqual(banned[i]);
      }
    }
  },
);

interface Automata {
  automata: {
    representation: "ordered" | "unordered";
    constraints: number[][];
    tokens: number[];
    states_before_and_after_each_token: {
      bank: number;
      finished: boolean;
      next_tokens: number[];
    }[];
  }[];
  pack: { constraints: number[][][]; packed: number[][] }[];
}

goldenTest("constraint automata walk as fairseq's do", "decode/pure/constraint_states.json", () => {
  const { automata } = readGolden<Automata>("decode/pure/constraint_states.json");
  for (const { representation, constraints, tokens, ...golden } of automata) {
    const automaton = representation === "ordered" ? OrderedConstraints : UnorderedConstraints;
    let state: ConstraintState = automaton.create(constraints);
    for (const [i, wanted] of golden.states_before_and_after_each_token.entries()) {
      if (i > 0) state = state.advance(tokens[i - 1]);
      expect(state.bank).toBe(wanted.bank);
      expect(state.finished).toBe(wanted.finished);
      expect(new Set(state.nextTokens())).toEqual(new Set(wanted.next_tokens));
    }
  }
});

goldenTest(
  "unpackConstraints() reads fairseq's packed rows",
  "decode/pure/constraint_states.json",
  () => {
    for (const { constraints, packed } of readGolden<Automata>("decode/pure/constraint_states.json")
      .pack) {
      expect(packed.map(unpackConstraints)).toEqual(constraints);
    }
  },
);

goldenTest(
  "topPPool() keeps the tokens that fairseq keeps",
  "decode/pure/sampling_filters.json",
  () => {
    interface Filters {
      filters: { topp?: number; kept: number[][][] }[];
    }
    const [rows] = Object.values(readTensors("decode/pure/sampling_filters.safetensors"));
    const width = rows.shape[rows.shape.length - 1];
    for (const { topp, kept } of readGolden<Filters>("decode/pure/sampling_filters.json").filters) {
      if (topp === undefined) continue;
      for (const [i, wanted] of kept.flat().entries()) {
        const { tokens, count } = topPPool(rows.data.slice(i * width, (i + 1) * width), topp);
        const ids = [...(tokens ?? [])].slice(0, count).sort((a, b) => a - b);
        expect(ids).toEqual(wanted);
      }
    }
  },
);

test("philox() gives the published words", () => {
  const hex = (words: Uint32Array) => [...words].map((word) => word.toString(16).padStart(8, "0"));
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toEqual([
    "6627e8d5",
    "e169c58d",
    "bc57ac4c",
    "9b00dbd8",
  ]);
  const ones = 0xffffffff;
  expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toEqual([
    "408f276d",
    "41c83b0e",
    "a20bc7c6",
    "6d5451fd",
  ]);
});

test("seededDraw() depends on seed and place alone, and follows the weights", () => {
  const weights = Float32Array.from([1, 0, 3]);
  const counts = [0, 0, 0];
  for (let step = 0; step < 4000; step++) {
    const place = { sentence: 3, step, slot: 1 };
    const drawn = seededDraw(7)(weights, 3, place);
    expect(seededDraw(7)(weights, 3, place)).toBe(drawn);
    counts[drawn]++;
  }
  expect(counts[1]).toBe(0);
  expect(Math.abs(counts[2] / 4000 - 0.75)).toBeLessThan(0.03);
});

test("logMeanExp() averages probabilities, and takes impossible from all for impossible", () => {
  const out = new Float32Array(3);
  const log = (values: number[]) => Float32Array.from(values, Math.log);
  logMeanExp([log([0.1, 0, 0]), log([0.5, 0.5, 0])], out);
  expect(out[0]).toBeCloseTo(Math.log(0.3), 6);
  expect(out[1]).toBeCloseTo(Math.log(0.25), 6);
  expect(out[2]).toBe(Number.NEGATIVE_INFINITY);
});

test("ensemble() refuses models of different vocabularies", () => {
  const table = (V: number) => ({ shape: [1, 1, V, V] as const, data: new Float32Array(V * V) });
  const models = [tableDecoder(table(5)), tableDecoder(table(6))];
  expect(() => ensemble(models)).toThrow("5, 6 symbols");
});

interface AlignmentUnits {
  replace_unk: {
    alignment_dictionary_entries_used: Record<string, string>;
    cases: {
      hypothesis: string;
      source: string;
      alignment: number[];
      dictionary: string;
      output: string;
    }[];
  };
  extract_alignment: {
    src: number[];
    tgt: number[];
    attention_tgt_x_src: number[][];
    hard: [number, number][];
    soft: string[][];
  }[];
}

goldenTest("replaceUnknown() replaces as fairseq means to", "decode/units", () => {
  const { replace_unk: golden } = readGolden<AlignmentUnits>("decode/units/alignment_units.json");
  const entries = Object.entries(golden.alignment_dictionary_entries_used);
  for (const { hypothesis, source, alignment, dictionary, output } of golden.cases) {
    const map = new Map(dictionary === "empty" ? [] : entries);
    const words = replaceUnknown(hypothesis.split(" "), source.split(" "), alignment, map, "<unk>");
    expect(words.join(" ")).toBe(output);
  }
});

goldenTest(
  "hardAlignment() and softAlignment() read attention as fairseq does",
  "decode/units",
  () => {
    const { extract_alignment } = readGolden<AlignmentUnits>("decode/units/alignment_units.json");
    for (const { src, tgt, attention_tgt_x_src, hard, soft } of extract_alignment) {
      const attention = Float32Array.from(attention_tgt_x_src.flat());
      const pair = { source: src, target: tgt, attention };
      expect(hardAlignment(pair, special)).toEqual(hard);
      expect(softAlignment(pair, special)).toEqual(soft);
    }
  },
);

test("alignedSources() points at positions in the padded source", () => {
  const attention = Float32Array.from([0.9, 0.1, 0.2, 0.5, 0.1, 0.1, 0.7, 0.8]);
  const pair = { source: [1, 5, 6, 2], target: [7, 2], attention };
  expect([...alignedSources(pair, special)]).toEqual([2, -1]);
});

const flat = (V: number) => ({
  shape: [1, 1, V, V] as const,
  data: new Float32Array(V * V).map((_, i) => -((i % V) + 1)),
});

test("SequenceGenerator keeps the attention of each hypothesis along its own path", async () => {
  const decoder = tableDecoder(flat(8));
  const attending = {
    ...decoder,
    start: async (...given: Parameters<typeof decoder.start>) => {
      const state = await decoder.start(...given);
      return {
        step: async (input: Parameters<typeof state.step>[0]) => ({
          ...(await state.step(input)),
          // Attends to the last token of each row, which the hypothesis shows one step later.
          attention: Float32Array.from({ length: input.rows * 2 }, (_, i) =>
            i % 2 === 0 ? input.tokens[i / 2] : input.step,
          ),
        }),
      };
    },
  };
  const generator = new SequenceGenerator(attending, {
    beam: 3,
    maxLenB: 4,
    minLen: 3,
    attention: true,
  });
  const [list] = await generator.generate(batchOf([[4, 2]]));
  expect(list.length).toBe(3);
  for (const { tokens, attention } of list) {
    for (let t = 0; t < tokens.length; t++) {
      expect(attention?.[2 * t]).toBe(t === 0 ? 2 : tokens[t - 1]);
      expect(attention?.[2 * t + 1]).toBe(t);
    }
  }
});

test("SequenceGenerator never blocks a prefix that repeats itself", async () => {
  const generator = new SequenceGenerator(tableDecoder(flat(8)), {
    maxLenB: 6,
    noRepeatNgramSize: 2,
  });
  const prefix = { tokens: Int32Array.from([5, 5, 5, 5]), width: 4 };
  const [[best]] = await generator.generate(batchOf([[4, 2]]), { prefix });
  expect([...best.tokens.slice(0, 4)]).toEqual([5, 5, 5, 5]);
  expect(best.complete).toBe(true);
});

test("SequenceGenerator marks a sentence that its rules leave without an end", async () => {
  const table = flat(6);
  for (let i = 2; i < table.data.length; i += 6) table.data[i] = Number.NEGATIVE_INFINITY;
  const [list] = await new SequenceGenerator(tableDecoder(table), { beam: 2, maxLenB: 3 }).generate(
    batchOf([[4, 2]]),
  );
  expect(list.length).toBe(1);
  expect(list[0].complete).toBe(false);
  expect(list[0].tokens[list[0].tokens.length - 1]).toBe(2);
  expect(Number.isFinite(list[0].score)).toBe(true);
});

test("SequenceGenerator refuses constraints that its strategy would drop", async () => {
  const generator = new SequenceGenerator(tableDecoder(flat(6)));
  const constraints = [[Int32Array.of(4)]];
  await expect(generator.generate(batchOf([[4, 2]]), { constraints })).rejects.toThrow(
    "--constraints",
  );
});

test("SequenceGenerator has nothing to say of an empty batch", async () => {
  const batch = { tokens: new Int32Array(0), sentences: 0, width: 0 };
  expect(await new SequenceGenerator(tableDecoder(flat(6))).generate(batch)).toEqual([]);
});

// Whole searches of real models, replayed: at each step the decoder answers with what fairseq's model
// answered, so tokens, reordering and hypotheses must be fairseq's at every step.

import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { beamSearch } from "../../src/decode/search/beam.ts";
import { unpackConstraints } from "../../src/decode/search/constraint_states.ts";
import { diverseGroupSearch } from "../../src/decode/search/diverse_groups.ts";
import { lexicallyConstrainedSearch } from "../../src/decode/search/lexically_constrained.ts";
import { type GeneratorOptions, SequenceGenerator } from "../../src/decode/sequence_generator.ts";
import type { StepDecoder, StepInput } from "../../src/decode/step_decoder.ts";
import { goldenPath, goldenTest, hasFullGoldens, readGolden } from "../support/golden.ts";
import { batchOf, expectHypothesis, type GoldenHypothesis } from "./pure_case.ts";
import { readTensors } from "./table_decoder.ts";

interface Trace {
  case: string;
  flags: string[];
  src_tokens: number[][];
  prefix_tokens?: number[][];
  constraints_packed?: number[][];
  steps: { reorder_state?: number[]; tokens_in: number[][] }[];
  hypos: (GoldenHypothesis & { attention_argmax?: number[] })[][];
}

type Tensors = ReturnType<typeof readTensors>;

/** A decoder that has seen it all before, and checks what it is asked. */
function replayed(golden: Trace, tensors: Tensors): StepDecoder {
  const vocabulary = tensors["step0.lprobs_model"].shape[1];
  const step = async (input: StepInput) => {
    const wanted = golden.steps[input.step];
    const scores = tensors[`step${input.step}.scores_in`];
    const width = scores.shape[2];
    expect(input.rows).toBe(wanted.tokens_in.length);
    for (let row = 0; row < input.rows; row++) {
      // What an impossible row says is anybody's choice.
      if (width > 0 && scores.data[row * width + width - 1] === Number.NEGATIVE_INFINITY) continue;
      expect(input.tokens[row]).toBe(wanted.tokens_in[row][input.step]);
      if (wanted.reorder_state) expect(input.reorder?.[row]).toBe(wanted.reorder_state[row]);
    }
    return {
      logProbs: tensors[`step${input.step}.lprobs_model`].data.slice(),
      attention: tensors[`step${input.step}.attn`]?.data,
    };
  };
  return { vocabulary, maxPositions: Number.POSITIVE_INFINITY, start: async () => ({ step }) };
}

function optionsOf(flags: string[]): Partial<GeneratorOptions> {
  const number = (flag: string) =>
    flags.includes(flag) ? Number(flags[flags.indexOf(flag) + 1]) : undefined;
  const given = {
    beam: number("--beam"),
    maxLenB: number("--max-len-b"),
    minLen: number("--min-len"),
    lenpen: number("--lenpen"),
    unkpen: number("--unkpen"),
  };
  const groups = number("--diverse-beam-groups");
  const constraints = flags[flags.indexOf("--constraints") + 1];
  let strategy = beamSearch;
  if (groups !== undefined) strategy = diverseGroupSearch(groups, 0.5);
  if (constraints === "ordered" || constraints === "unordered") {
    strategy = lexicallyConstrainedSearch(constraints);
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(set), attention: true, strategy };
}

const names = hasFullGoldens
  ? readdirSync(goldenPath("decode/trace"))
      .filter((file) => file.endsWith(".json"))
      .map((file) => file.slice(0, -".json".length))
  : ["transformer_a_beam3"];

for (const name of names) {
  goldenTest(`SequenceGenerator walks as fairseq walked: ${name}`, "decode/trace", async () => {
    const golden = readGolden<Trace>(`decode/trace/${name}.json`);
    const decoder = replayed(golden, readTensors(`decode/trace/${name}.safetensors`));
    const { prefix_tokens: prefix, constraints_packed: packed } = golden;
    const found = await new SequenceGenerator(decoder, optionsOf(golden.flags)).generate(
      batchOf(golden.src_tokens),
      {
        prefix: prefix && { tokens: Int32Array.from(prefix.flat()), width: prefix[0].length },
        constraints: packed?.map((row) =>
          unpackConstraints(row).map((tokens) => Int32Array.from(tokens)),
        ),
      },
    );
    const S = golden.src_tokens[0].length;
    for (const [i, list] of golden.hypos.entries()) {
      expect(found[i].length).toBe(list.length);
      for (const [j, hypothesis] of list.entries()) {
        expectHypothesis(found[i][j], hypothesis);
        const { attention } = found[i][j];
        if (!attention || !hypothesis.attention_argmax) continue;
        const peaks = hypothesis.attention_argmax.map((_, t) =>
          peak(attention.subarray(t * S, (t + 1) * S)),
        );
        expect(peaks).toEqual(hypothesis.attention_argmax);
      }
    }
  });
}

const peak = (row: Float32Array): number => row.indexOf(row.reduce((a, b) => Math.max(a, b)));

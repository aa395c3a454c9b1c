// The model-free searches of golden/decode/pure: reading a case and running weft on it.
import { expect } from "bun:test";
import { ensemble } from "../../src/decode/ensemble.ts";
import type { Hypothesis } from "../../src/decode/hypothesis.ts";
import { beamSearch } from "../../src/decode/search/beam.ts";
import { diverseGroupSearch } from "../../src/decode/search/diverse_groups.ts";
import { diverseSiblingSearch } from "../../src/decode/search/diverse_siblings.ts";
import type { Draw } from "../../src/decode/search/draw.ts";
import { lengthConstrainedSearch } from "../../src/decode/search/length_constrained.ts";
import { lexicallyConstrainedSearch } from "../../src/decode/search/lexically_constrained.ts";
import { prefixConstrainedSearch } from "../../src/decode/search/prefix_constrained.ts";
import { sampling } from "../../src/decode/search/sampling.ts";
import type { SearchStrategy } from "../../src/decode/search/strategy.ts";
import {
  type GenerationInput,
  type GeneratorOptions,
  SequenceGenerator,
} from "../../src/decode/sequence_generator.ts";
import { shallowFusion } from "../../src/decode/shallow_fusion.ts";
import type { SourceBatch } from "../../src/decode/step_decoder.ts";
import { readGolden } from "../support/golden.ts";
import { readTensors, type Table, type TableOptions, tableDecoder } from "./table_decoder.ts";

export interface GoldenHypothesis {
  tokens: number[];
  score: number | string;
  positional_scores: (number | string)[];
}

export interface PureCase {
  case: string;
  tables: string[];
  src_tokens: number[][];
  generator: Record<string, number | boolean | string[]>;
  search: string;
  search_args: Record<string, number | string> | null;
  prefix_tokens?: number[][];
  constraints?: number[][][];
  sample_id?: number[];
  allowed_tokens?: number[][][];
  lm_table?: string;
  bos_token?: number;
  max_decoder_positions?: number;
  ngram_block_sees?: string;
  multinomial_calls?: { draws: number[][] }[];
  ties?: boolean;
  steps?: { cand_scores: number[][] }[];
  error?: { type: string; message: string };
  hypos: GoldenHypothesis[][];
}

export const readCase = (name: string): PureCase => readGolden(`decode/pure/${name}.json`);

/** Rows of equal length as one batch. */
export const batchOf = (rows: number[][]): SourceBatch => ({
  tokens: Int32Array.from(rows.flat()),
  sentences: rows.length,
  width: rows[0].length,
});

/** Number, or the word that stands for one JSON cannot write. */
export const toNumber = (value: number | string): number => Number(value);

/** Draws what fairseq drew: its calls list the rows in order. */
function replay(golden: PureCase): Draw {
  const calls = golden.multinomial_calls ?? [];
  let step = -1;
  let queue: number[] = [];
  return (_weights, _count, place) => {
    if (place.step !== step) {
      step = place.step;
      queue = calls[step].draws.flat();
    }
    return queue.shift() ?? 0;
  };
}

function strategyOf(golden: PureCase): SearchStrategy {
  const args = golden.search_args ?? {};
  const number = (key: string) => Number(args[key]);
  switch (golden.search) {
    case "BeamSearch":
      return beamSearch;
    case "LengthConstrainedBeamSearch":
      return lengthConstrainedSearch(
        args.min_len_a === undefined
          ? undefined
          : {
              minLenA: number("min_len_a"),
              minLenB: number("min_len_b"),
              maxLenA: number("max_len_a"),
              maxLenB: number("max_len_b"),
            },
      );
    case "DiverseBeamSearch":
      return diverseGroupSearch(number("num_groups"), number("diversity_strength"));
    case "DiverseSiblingsSearch":
      return diverseSiblingSearch(number("diversity_rate"));
    case "PrefixConstrainedBeamSearch":
      return prefixConstrainedSearch(
        (id, tokens) => golden.allowed_tokens?.[id][tokens[tokens.length - 1]] ?? [],
      );
    case "LexicallyConstrainedBeamSearch":
      return lexicallyConstrainedSearch(
        args.representation === "ordered" ? "ordered" : "unordered",
      );
    case "Sampling":
      return sampling({
        topK: args.sampling_topk === undefined ? 0 : number("sampling_topk"),
        topP: args.sampling_topp === undefined ? 0 : number("sampling_topp"),
        draw: replay(golden),
      });
  }
  throw new Error(`no strategy for ${golden.search}`);
}

/** Keyword arguments of fairseq's SequenceGenerator by weft's names. */
const optionNames: Record<string, keyof GeneratorOptions> = {
  beam_size: "beam",
  max_len_a: "maxLenA",
  max_len_b: "maxLenB",
  min_len: "minLen",
  normalize_scores: "normalizeScores",
  len_penalty: "lenpen",
  unk_penalty: "unkpen",
  temperature: "temperature",
  match_source_len: "matchSourceLen",
  no_repeat_ngram_size: "noRepeatNgramSize",
};

/** Symbol "w5" of the tables is token 5. */
const symbolIds = (symbols: string[]) => symbols.map((symbol) => Number(symbol.slice(1)));

/** weft's hypotheses for a golden case. */
export async function runCase(
  golden: PureCase,
  tableOptions: TableOptions = {},
): Promise<{ hypotheses: Hypothesis[][]; generator: SequenceGenerator }> {
  const tables = readTensors("decode/pure/tables.safetensors") as unknown as Record<string, Table>;
  const limits = { ...tableOptions, maxPositions: golden.max_decoder_positions };
  let decoder = ensemble(golden.tables.map((name) => tableDecoder(tables[name], limits)));
  const options: Record<string, unknown> = { strategy: strategyOf(golden) };
  const special: Record<string, number> = {};
  for (const [key, value] of Object.entries(golden.generator)) {
    if (key === "eos") special.eos = Number(value);
    else if (key === "tokens_to_suppress") options.suppress = symbolIds(value as string[]);
    else if (key === "lm_weight") {
      const lm = tableDecoder(tables[String(golden.lm_table)], { ignoresSource: true });
      decoder = shallowFusion(decoder, lm, Number(value));
    } else if (key in optionNames) options[optionNames[key]] = value;
    else throw new Error(`golden case ${golden.case} has an unknown option ${key}`);
  }
  if (golden.bos_token !== undefined) options.startToken = golden.bos_token;
  // fairseq 0.12 blocks nothing on the CPU: those cases record runs without blocking.
  if (golden.ngram_block_sees === undefined) options.noRepeatNgramSize = 0;
  const generator = new SequenceGenerator(decoder, options as Partial<GeneratorOptions>, special);
  const { prefix_tokens: prefix, constraints, sample_id } = golden;
  const input: GenerationInput = {
    prefix: prefix && { tokens: Int32Array.from(prefix.flat()), width: prefix[0].length },
    constraints: constraints?.map((list) => list.map((tokens) => Int32Array.from(tokens))),
    ids: sample_id && Int32Array.from(sample_id),
  };
  return { hypotheses: await generator.generate(batchOf(golden.src_tokens), input), generator };
}

/** Compares one hypothesis within the goldens' tolerance. */
export function expectHypothesis(ours: Hypothesis, theirs: GoldenHypothesis): void {
  expect([...ours.tokens]).toEqual(theirs.tokens);
  expectClose(ours.score, toNumber(theirs.score), 5e-6);
  const positions = theirs.positional_scores.map(toNumber);
  expect(ours.positionalScores.length).toBe(positions.length);
  for (let t = 0; t < positions.length; t++) {
    expectClose(ours.positionalScores[t], positions[t], 3e-5);
  }
}

/** All hypotheses of all sentences, in order. */
export function expectHypotheses(ours: Hypothesis[][], theirs: GoldenHypothesis[][]): void {
  const tokensOf = (lists: { tokens: ArrayLike<number> }[][]) =>
    lists.map((list) => list.map(({ tokens }) => Array.from(tokens)));
  expect(tokensOf(ours)).toEqual(tokensOf(theirs));
  for (const [i, list] of theirs.entries()) {
    for (const [j, hypothesis] of list.entries()) expectHypothesis(ours[i][j], hypothesis);
  }
}

function expectClose(actual: number, wanted: number, tolerance: number): void {
  if (Number.isFinite(wanted)) expect(Math.abs(actual - wanted)).toBeLessThanOrEqual(tolerance);
  else expect(actual).toBe(wanted);
}

// A recorded run of fairseq-generate or fairseq-interactive, and the same run of weft.
import { expect } from "bun:test";
import type { Command } from "../../src/cli/command.ts";
import { runProgram } from "../../src/cli/program.ts";
import { Dictionary } from "../../src/data/dictionary.ts";
import { readTextLines } from "../../src/data/text_lines.ts";
import { recordingTerminal } from "../cli/recording_terminal.ts";
import { goldenPath, readGolden } from "../support/golden.ts";

export interface GoldenHypothesis {
  readonly tokens: readonly number[];
  /** Infinities are texts. */
  readonly score: number | "-Infinity";
  readonly positional_scores: readonly number[];
  /** Pairs of words, or rows of printed weights. */
  readonly alignment?: readonly (readonly [number, number])[] | readonly (readonly string[])[];
  /** (T) source position with the largest weight, padding counted. */
  readonly attention_argmax?: readonly number[];
}

export interface GoldenBatch {
  readonly ids: readonly number[];
  readonly src_tokens: readonly (readonly number[])[];
  readonly hypos: readonly (readonly GoldenHypothesis[])[];
}

export interface GoldenCase {
  readonly checkpoints: readonly string[];
  readonly data: string;
  readonly flags: readonly string[];
  readonly batch_size?: number;
  readonly batches: readonly GoldenBatch[];
  readonly bleu_line: string | null;
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly error?: { readonly type: string };
}

export const goldenCase = (name: string): GoldenCase => readGolden(`decode/${name}.json`);

/** The command line of a case: fairseq's flags, but for the two that mean something else there. */
export function argumentsOf(golden: GoldenCase, ...more: string[]): string[] {
  const checkpoints = golden.checkpoints.map((file) => goldenPath(`checkpoints/${file}`));
  const flags = golden.flags.flatMap((flag) => {
    // A switch that turns left padding off.
    if (flag === "--left-pad-source") return ["--left-pad-source", "False"];
    return /^(data-raw|text)\//.test(flag) ? [goldenPath(`checkpoints/${flag}`)] : [flag];
  });
  // Weights and positions are compared below; how products are summed must not depend on the machine.
  const device = ["--device", "cpu", "--blas", "none", "--threads", "1"];
  const batch = golden.batch_size ? ["--batch-size", String(golden.batch_size)] : [];
  const data = goldenPath(`checkpoints/${golden.data}`);
  return [data, "--path", checkpoints.join(":"), ...device, ...batch, ...flags, ...more];
}

/** Runs a command in this process. @returns the lines of its output. @throws if it fails. */
export async function outputOf(command: Command, args: readonly string[]): Promise<string[]> {
  const { terminal, stdout, stderr } = recordingTerminal();
  const code = await runProgram([command.name, ...args], [command], terminal);
  if (code !== 0) throw new Error(stderr.text);
  return stdout.text.split("\n").slice(0, -1);
}

/** What a run printed of one hypothesis. */
export interface PrintedHypothesis {
  readonly score: number;
  readonly text: string;
  positional: number[];
  alignment?: string;
}

/** What a run printed of each sentence, in its order. */
export function sentencesOf(lines: readonly string[]): Map<number, PrintedHypothesis[]> {
  const sentences = new Map<number, PrintedHypothesis[]>();
  for (const line of lines) {
    const [, tag, id, rest] = /^([A-Z])-(\d+)\t(.*)$/.exec(line) ?? [];
    if (tag === "S") sentences.set(Number(id), []);
    const list = sentences.get(Number(id));
    if (tag === "H") {
      const [score, text] = rest.split("\t");
      list?.push({ score: scoreOf(score), text, positional: [] });
    }
    const last = list?.at(-1);
    if (tag === "P" && last) last.positional = rest.split(" ").map(Number);
    if (tag === "A" && last) last.alignment = rest;
  }
  return sentences;
}

/** Natural logarithms of the goldens against what is printed in base 2. */
const BITS = 1 / Math.LN2;
/** The goldens' 5e-6, or 1e-6 of sums that no length divides. */
const scoreTolerance = (bits: number): number => Math.max(5e-6 * BITS, 1e-6 * Math.abs(bits));
/** Python spells infinity "inf". */
const scoreOf = (text: string): number => Number(text.replace("inf", "Infinity"));
/** Besides the goldens' tolerance, half of the fourth decimal, which is the last one printed. */
const POSITIONAL_TOLERANCE = 3e-5 * BITS + 0.5e-4;

export function expectNear(actual: number, expected: number, tolerance: number): void {
  if (actual === expected || Math.abs(actual - expected) <= tolerance) return;
  throw new Error(`${actual} is not within ${tolerance} of ${expected}`);
}

/** Compares everything that a run printed with the hypotheses that fairseq had. */
export function expectHypotheses(lines: readonly string[], golden: GoldenCase): void {
  const path = goldenPath(`checkpoints/${golden.data}/dict.de.txt`);
  const dictionary = Dictionary.parse(`${readTextLines(path).join("\n")}\n`, path);
  const sentences = sentencesOf(lines);
  const ids = golden.batches.flatMap((batch) => batch.ids);
  // fairseq may have failed on the way: what came before must be the same.
  expect([...sentences.keys()].slice(0, ids.length)).toEqual(ids);
  for (const batch of golden.batches) {
    for (const [row, id] of batch.ids.entries()) {
      const printed = sentences.get(id) ?? [];
      expect(printed.map(({ text }) => text)).toEqual(
        batch.hypos[row].map(({ tokens }) => dictionary.string(tokens)),
      );
      for (const [rank, hypothesis] of batch.hypos[row].entries()) {
        expectHypothesis(printed[rank], hypothesis);
      }
    }
  }
}

function expectHypothesis(printed: PrintedHypothesis, golden: GoldenHypothesis): void {
  const score = Number(golden.score) * BITS;
  expectNear(printed.score, score, scoreTolerance(score));
  expect(printed.positional.length).toBe(golden.positional_scores.length);
  for (const [i, score] of golden.positional_scores.entries()) {
    expectNear(printed.positional[i], score * BITS, POSITIONAL_TOLERANCE);
  }
  if (golden.alignment === undefined) return;
  expectAlignment(printed.alignment ?? "", golden.alignment);
}

function expectAlignment(
  printed: string,
  golden: NonNullable<GoldenHypothesis["alignment"]>,
): void {
  const isSoft = golden.some((row) => typeof row[0] === "string");
  if (!isSoft) {
    expect(printed).toBe(golden.map((pair) => pair.join("-")).join(" "));
    return;
  }
  const rows = printed.split(" ").map((row) => row.split(",").map(Number));
  expect(rows.map((row) => row.length)).toEqual(golden.map((row) => row.length));
  for (const [t, row] of golden.entries()) {
    for (const [s, weight] of row.entries()) expectNear(rows[t][s], Number(weight), 2e-6);
  }
}

/** Compares printed lines one by one; only numbers of scores may differ, by their tolerance. */
export function expectLines(actual: readonly string[], expected: readonly string[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, line] of expected.entries()) {
    const [tag, ...fields] = line.split("\t");
    const [found, ...values] = actual[i].split("\t");
    expect(found).toBe(tag);
    if (/^[HD]-/.test(tag)) {
      const score = scoreOf(fields[0]);
      expectNear(scoreOf(values[0]), score, scoreTolerance(score));
      expect(values[1]).toBe(fields[1]);
    } else if (/^P-/.test(tag)) {
      const scores = fields[0].split(" ").map(Number);
      const printed = values[0].split(" ").map(Number);
      expect(printed.length).toBe(scores.length);
      for (const [j, score] of scores.entries()) expectNear(printed[j], score, 2e-4);
    } else if (/^W-/.test(tag)) {
      expect(values[0]).toMatch(/^\d+\.\d{3}$/); // seconds differ
    } else if (/^A-.*,/.test(line)) {
      const numbers = (text: string) => text.split(/[ ,]/).map(Number);
      const weights = numbers(values[0]);
      for (const [j, weight] of numbers(fields[0]).entries()) expectNear(weights[j], weight, 2e-6);
    } else {
      expect(values).toEqual(fields);
    }
  }
}

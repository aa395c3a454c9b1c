import { expect, test } from "bun:test";
import { runProgram } from "../../src/cli/program.ts";
import { score } from "../../src/cli/score.ts";
import { UserError } from "../../src/config/user_error.ts";
import { perplexity } from "../../src/score/perplexity.ts";
import { scoreLines } from "../../src/score/score_lines.ts";
import { createScorer, type ScorerName } from "../../src/score/scorers.ts";
import { TokenBleu } from "../../src/score/token_bleu.ts";
import { editDistance, WordErrorRate } from "../../src/score/word_error_rate.ts";
import { recordingTerminal } from "../cli/recording_terminal.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";
import { near, readScoredSet } from "./golden_sets.ts";

interface CommandRun {
  args: string[];
  output: string[];
  error?: { type: string };
}

goldenTest("weft score prints what fairseq-score printed", "score/fairseq_score.json", async () => {
  for (const { args, output, error } of readGolden<CommandRun[]>("score/fairseq_score.json")) {
    // The files are named as they lie beside the golden.
    const ours = args.map((arg, i) =>
      ["-s", "-r"].includes(args[i - 1]) ? goldenPath(`score/${arg}`) : arg,
    );
    const { terminal, stdout } = recordingTerminal();
    expect(await runProgram(["score", ...ours], [score], terminal)).toBe(0);
    // Two flags fail in fairseq 0.12.2; what they mean is tested below.
    if (error) expect(stdout.text).toMatch(/BLEU/);
    else expect(stdout.text).toBe(output.map((line) => `${line}\n`).join(""));
  }
});

interface LibbleuStats {
  case: string;
  segments: { ref: number[]; hyp: number[] }[];
  corpus: {
    stat: Record<string, number>;
    precision: number[];
    brevity: number;
    bleu: Record<string, number>;
    strings: Record<string, string>;
  };
  sentence_one_init: {
    stat: Record<string, number>;
    bleu: Record<string, number>;
    string: string;
  }[];
}

function expectStatistics({ counts }: TokenBleu, stat: Record<string, number>): void {
  expect(counts.referenceLength).toBe(stat.reflen);
  expect(counts.hypothesisLength).toBe(stat.predlen);
  expect(counts.matches).toEqual([1, 2, 3, 4].map((n) => stat[`match${n}`]));
  expect(counts.totals).toEqual([1, 2, 3, 4].map((n) => stat[`count${n}`]));
}

goldenTest("TokenBleu counts and scores as libbleu does", "score/libbleu_stats.json", () => {
  for (const { segments, corpus, sentence_one_init } of readGolden<LibbleuStats[]>(
    "score/libbleu_stats.json",
  )) {
    const whole = new TokenBleu();
    for (const [i, { ref, hyp }] of segments.entries()) {
      whole.addTokens(ref, hyp);
      const sentence = new TokenBleu({ smoothed: true });
      sentence.addTokens(ref, hyp);
      expectStatistics(sentence, sentence_one_init[i].stat);
      expect(sentence.result()).toBe(sentence_one_init[i].string);
    }
    expectStatistics(whole, corpus.stat);
    for (const [i, precision] of whole.precisions().entries()) {
      expect(near(precision, corpus.precision[i])).toBe(true);
    }
    expect(near(whole.brevityPenalty(), corpus.brevity)).toBe(true);
    for (const order of [1, 2, 3, 4]) {
      expect(near(whole.score(order), corpus.bleu[order])).toBe(true);
      expect(whole.result(order)).toBe(corpus.strings[order]);
    }
  }
});

interface ScorerRun {
  set: string;
  scorer: ScorerName;
  settings: Record<string, string | boolean>;
  score?: number;
  string: string;
}

goldenTest("createScorer() makes fairseq's scorers", "score/fairseq_scorers.json", () => {
  for (const run of readGolden<ScorerRun[]>("score/fairseq_scorers.json")) {
    const scorer = createScorer(run.scorer, run.settings);
    const references = readScoredSet(`${run.set}.ref`);
    for (const [i, text] of readScoredSet(`${run.set}.hyp`).entries()) {
      scorer.add({ text: references[i] }, { text });
    }
    expect(scorer.result()).toBe(run.string);
    if (run.score !== undefined) expect(near(scorer.score(), run.score)).toBe(true);
  }
});

interface WerRun {
  set: string;
  settings: Record<string, string | boolean>;
  distance: number;
  ref_length: number;
  score: number;
  string: string;
}

goldenTest("WordErrorRate is fairseq's wer", "score/wer.json", () => {
  for (const { set, settings, distance, ref_length, score, string } of readGolden<WerRun[]>(
    "score/wer.json",
  )) {
    const scorer = createScorer("wer", settings);
    const references = readScoredSet(`${set}.ref`);
    for (const [i, text] of readScoredSet(`${set}.hyp`).entries()) {
      scorer.add({ text: references[i] }, { text });
    }
    expect(scorer).toBeInstanceOf(WordErrorRate);
    if (scorer instanceof WordErrorRate) {
      expect([scorer.distance, scorer.length]).toEqual([distance, ref_length]);
    }
    expect(near(scorer.score(), score)).toBe(true);
    expect(scorer.result()).toBe(string);
  }
});

goldenTest("perplexity() rounds as fairseq does", "score/perplexity.json", () => {
  for (const golden of readGolden<Record<string, number | string>[]>("score/perplexity.json")) {
    const bits = Number(golden.nll_base2);
    const wanted = (call: string) => Number(golden[`fairseq.utils.get_perplexity(${call})`]);
    expectPerplexity(perplexity(bits), wanted("nll_base2"));
    expectPerplexity(perplexity(bits, { digits: 4 }), wanted("nll_base2, round=4"));
    const nats = perplexity(Number(golden.nll_nats), { base: Math.E });
    expectPerplexity(nats, wanted("nll_nats, base=e"));
  }
});

function expectPerplexity(actual: number, wanted: number): void {
  if (Number.isFinite(wanted)) expect(Math.abs(actual / wanted - 1)).toBeLessThan(1e-9);
  else expect(actual).toBe(wanted);
}

test("scoreLines() with sentenceBleu numbers the sentences", () => {
  const lines = [...scoreLines(["a b c d", "a"], ["a b c d", "b"], { sentenceBleu: true })];
  expect(lines[0]).toBe(
    "0 BLEU4 = 100.00, 100.0/100.0/100.0/100.0 (BP=1.000, ratio=1.000, syslen=4, reflen=4)",
  );
  expect(lines[1]).toMatch(/^1 BLEU4 = 0\.00, 0\.0\/100\.0\/100\.0\/100\.0/);
});

test("scoreLines() refuses orders there are none of", () => {
  expect(() => [...scoreLines([], [], { order: 5 })]).toThrow(UserError);
});

test("TokenBleu of nothing is 0, not NaN", () => {
  expect(new TokenBleu().result()).toBe(
    "BLEU4 = 0.00, 0.0/0.0/0.0/0.0 (BP=0.000, ratio=0.000, syslen=0, reflen=0)",
  );
});

test("createScorer() names the tokenisers there are", () => {
  expect(() => createScorer("sacrebleu", { sacrebleu_tokenizer: "ja-mecab" })).toThrow(
    "13a, intl, char",
  );
});

test("editDistance() counts the fewest edits", () => {
  expect(editDistance([..."kitten"], [..."sitting"])).toBe(3);
  expect(editDistance([], [..."abc"])).toBe(3);
});

import { expect, test } from "bun:test";
import { stripEnd } from "../../src/data/white_space.ts";
import { Chrf, type ChrfOptions } from "../../src/score/chrf.ts";
import { type BleuOptions, formatBleu, SacreBleu } from "../../src/score/sacre_bleu.ts";
import { tokenizers } from "../../src/score/tokenizers.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { near, readPairs } from "./golden_sets.ts";

interface Run {
  set: string;
  metric: "bleu" | "chrf" | "ter";
  settings: Record<string, number | string | boolean>;
  references: number;
  corpus: {
    score: number;
    string: string;
    signature: string;
    short_signature: string;
    counts?: number[];
    totals?: number[];
    precisions?: number[];
    bp?: number;
    sys_len?: number;
    ref_len?: number;
  };
  sentences?: { score: number; string: string }[];
  sentence_signature?: string;
}

const bleuNames: Record<string, keyof BleuOptions> = {
  tokenize: "tokenize",
  lowercase: "lowercase",
  smooth_method: "smoothing",
  smooth_value: "smoothingValue",
  max_ngram_order: "maxOrder",
  effective_order: "effectiveOrder",
};

const chrfNames: Record<string, keyof ChrfOptions> = {
  char_order: "charOrder",
  word_order: "wordOrder",
  beta: "beta",
  lowercase: "lowercase",
  whitespace: "whitespace",
  eps_smoothing: "epsSmoothing",
};

/** Settings by weft's names; an unknown one fails the test. */
function renamed(
  settings: Run["settings"],
  names: Record<string, string>,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(settings)) {
    expect(names).toHaveProperty(key);
    options[names[key]] = value;
  }
  return options;
}

const runs = (metric: Run["metric"]) =>
  readGolden<Run[]>("score/sacrebleu.json").filter((run) => run.metric === metric);

goldenTest(
  "SacreBleu gives sacreBLEU's scores, counts and signatures",
  "score/sacrebleu.json",
  () => {
    for (const { set, settings, references: count, corpus, ...golden } of runs("bleu")) {
      const { hypotheses, references } = readPairs(set, count);
      const bleu = new SacreBleu(renamed(settings, bleuNames));
      for (const [i, hypothesis] of hypotheses.entries()) bleu.add(hypothesis, references[i]);
      const found = bleu.score();
      expect(formatBleu(found)).toBe(corpus.string);
      expect(bleu.signature()).toBe(corpus.signature);
      expect(bleu.signature({ short: true })).toBe(corpus.short_signature);
      expect(near(found.score, corpus.score)).toBe(true);
      expect(found.counts).toEqual(corpus.counts ?? []);
      expect(found.totals).toEqual(corpus.totals ?? []);
      expect(found.hypothesisLength).toBe(corpus.sys_len ?? -1);
      expect(found.referenceLength).toBe(corpus.ref_len ?? -1);
      expect(near(found.brevityPenalty, corpus.bp ?? -1)).toBe(true);
      for (const [i, sentence] of (golden.sentences ?? []).entries()) {
        const one = bleu.sentenceScore(hypotheses[i], references[i]);
        expect(formatBleu(one)).toBe(sentence.string);
        expect(near(one.score, sentence.score)).toBe(true);
      }
      if (golden.sentence_signature) {
        expect(bleu.signature({ sentence: true })).toBe(golden.sentence_signature);
      }
    }
  },
);

goldenTest("Chrf gives sacreBLEU's scores and signatures", "score/sacrebleu.json", () => {
  for (const { set, settings, references: count, corpus, ...golden } of runs("chrf")) {
    const { hypotheses, references } = readPairs(set, count);
    const chrf = new Chrf(renamed(settings, chrfNames));
    for (const [i, hypothesis] of hypotheses.entries()) chrf.add(hypothesis, references[i]);
    expect(chrf.format()).toBe(corpus.string);
    expect(chrf.signature()).toBe(corpus.signature);
    expect(chrf.signature({ short: true })).toBe(corpus.short_signature);
    expect(near(chrf.score(), corpus.score)).toBe(true);
    for (const [i, sentence] of (golden.sentences ?? []).entries()) {
      const score = chrf.sentenceScore(hypotheses[i], references[i]);
      expect(near(score, sentence.score)).toBe(true);
      expect(chrf.format(score)).toBe(sentence.string);
    }
  }
});

goldenTest("tokenizers split lines as sacreBLEU's do", "score/sacrebleu_tokenizers.json", () => {
  const golden = readGolden<{ input: string[]; output: Record<string, string[]> }>(
    "score/sacrebleu_tokenizers.json",
  );
  for (const [name, tokenize] of Object.entries(tokenizers)) {
    expect(golden.input.map((line) => tokenize(stripEnd(line)))).toEqual(golden.output[name]);
  }
});

test("SacreBleu leaves out references that a sentence lacks", () => {
  const bleu = new SacreBleu();
  bleu.add("a b c d", ["a b c d", undefined]);
  expect(bleu.signature()).toMatch(/^nrefs:1\|/);
  bleu.add("e f g h", ["e f g h", "e f g"]);
  expect(bleu.signature()).toMatch(/^nrefs:var\|/);
  expect(bleu.score().score).toBeCloseTo(100, 9);
});

test("SacreBleu gives 0 without any match, any text or any segment", () => {
  expect(new SacreBleu().score().score).toBe(0);
  const bleu = new SacreBleu();
  bleu.add("", ["a b"]);
  expect(formatBleu(bleu.score())).toContain("BP = 0.000 ratio = 0.000 hyp_len = 0 ref_len = 2");
});

test("SacreBleu.looksTokenized tells a hundred tokenised lines, unless forced", () => {
  const lines = (options: Partial<BleuOptions>) => {
    const bleu = new SacreBleu(options);
    for (let i = 0; i < 100; i++) bleu.add("An end .", ["An end."]);
    return bleu.looksTokenized;
  };
  expect(lines({})).toBe(true);
  expect(lines({ force: true })).toBe(false);
  expect(lines({ tokenize: "none" })).toBe(false);
});

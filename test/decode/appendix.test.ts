// fairseq's own unit tests of its generator, as numbers: a model that gives out listed probabilities.
import { expect, test } from "bun:test";
import { repeatedNgramEnds } from "../../src/decode/ngram_block.ts";
import { diverseGroupSearch } from "../../src/decode/search/diverse_groups.ts";
import { diverseSiblingSearch } from "../../src/decode/search/diverse_siblings.ts";
import { seededDraw } from "../../src/decode/search/draw.ts";
import { sampling } from "../../src/decode/search/sampling.ts";
import { type GeneratorOptions, SequenceGenerator } from "../../src/decode/sequence_generator.ts";
import { SequenceScorer } from "../../src/decode/sequence_scorer.ts";
import type { StepDecoder } from "../../src/decode/step_decoder.ts";

const EOS = 2;
const W1 = 4;
const W2 = 5;

/** Probabilities of [eos, unk, w1, w2], by step and row of a two-sentence batch with a beam of two. */
type Script = readonly (readonly (readonly [number, number, number, number])[])[];

/** Looks rows up by where they stand, as fairseq's test model does: it ignores what was said. */
const scripted = (script: Script): StepDecoder => ({
  vocabulary: 6,
  maxPositions: Number.POSITIVE_INFINITY,
  start: async () => ({
    step: async ({ step, rows }) => {
      const logProbs = new Float32Array(rows * 6).fill(Number.NEGATIVE_INFINITY);
      // A finished first sentence leaves the second one's rows in front.
      const lines = script[step].slice(-rows);
      for (const [row, line] of lines.entries()) {
        for (const [i, p] of line.entries()) logProbs[row * 6 + 2 + i] = Math.log(p);
      }
      return { logProbs };
    },
  }),
});

const batch = { tokens: Int32Array.from([4, 5, 2, 4, 5, 2]), sentences: 2, width: 3 };

type Expected = [tokens: number[], logs: number[]];

async function expectSearch(
  script: Script,
  options: Partial<GeneratorOptions>,
  expected: Expected[][],
): Promise<void> {
  const generator = new SequenceGenerator(scripted(script), { beam: 2, ...options });
  const found = await generator.generate(batch);
  expect(found.map((list) => list.map(({ tokens }) => [...tokens]))).toEqual(
    expected.map((list) => list.map(([tokens]) => tokens)),
  );
  for (const [i, list] of expected.entries()) {
    for (const [j, [, logs]] of list.entries()) {
      const scores = found[i][j].positionalScores;
      for (const [t, log] of logs.entries()) expect(scores[t]).toBeCloseTo(log, 5);
    }
  }
}

const logs = (...probabilities: number[]) => probabilities.map(Math.log);

const beamScript: Script = [
  [
    [0, 0, 0.9, 0.1],
    [0, 0, 0.9, 0.1],
    [0, 0, 0.7, 0.3],
    [0, 0, 0.7, 0.3],
  ],
  [
    [1, 0, 0, 0],
    [0, 0, 0.9, 0.1],
    [0.25, 0, 0.35, 0.4],
    [0, 0, 0.1, 0.9],
  ],
  [
    [0, 0, 0.1, 0.9],
    [0.6, 0, 0.2, 0.2],
    [0.6, 0, 0.4, 0],
    [0.01, 0, 0, 0.99],
  ],
  [
    [1, 0, 0, 0],
    [1, 0, 0, 0],
    [0.1, 0, 0.5, 0.4],
    [1, 0, 0, 0],
  ],
];

const short1: Expected = [[W1, EOS], logs(0.9, 1)];
const long1: Expected = [[W2, W1, W2, EOS], logs(0.1, 0.9, 0.9, 1)];
const long2: Expected = [[W1, W2, W1, EOS], logs(0.7, 0.4, 0.4, 1)];
const short2: Expected = [[W1, W2, EOS], logs(0.7, 0.4, 0.6)];

test("beamSearch ranks by the mean log-probability of a token", () =>
  expectSearch(beamScript, {}, [
    [short1, long1],
    [long2, short2],
  ]));

test("normalizeScores: false ranks by the sum", () =>
  expectSearch(beamScript, { normalizeScores: false }, [
    [short1, long1],
    [short2, long2],
  ]));

test("a lenpen of 0.6 favours short outputs", () =>
  expectSearch(beamScript, { lenpen: 0.6 }, [
    [short1, long1],
    [short2, long2],
  ]));

test("a lenpen of 5 favours long outputs", () =>
  expectSearch(beamScript, { lenpen: 5 }, [
    [long1, short1],
    [long2, short2],
  ]));

test("maxLenB ends every output", () =>
  expectSearch(beamScript, { maxLenB: 2 }, [
    [short1, [[W2, W2, EOS], logs(0.1, 0.1, 0.6)]],
    [short2, [[W2, W2, EOS], logs(0.3, 0.9, 0.01)]],
  ]));

const diverseScript: Script = [
  [
    [0, 0, 0.9, 0.1],
    [0, 0, 0.9, 0.1],
    [0, 0, 0.7, 0.3],
    [0, 0, 0.7, 0.3],
  ],
  [
    [0, 0, 0.6, 0.4],
    [0, 0, 0.6, 0.4],
    [0.25, 0, 0.35, 0.4],
    [0.25, 0, 0.35, 0.4],
  ],
  [
    [1, 0, 0, 0],
    [1, 0, 0, 0],
    [0.9, 0, 0.1, 0],
    [0.9, 0, 0.1, 0],
  ],
];

test("diverseGroupSearch() without a penalty finds the same in every group", () => {
  const first: Expected = [[W1, W1, EOS], logs(0.9, 0.6, 1)];
  const second: Expected = [[W1, W2, EOS], logs(0.7, 0.4, 0.9)];
  return expectSearch(diverseScript, { strategy: diverseGroupSearch(2, 0) }, [
    [first, first],
    [second, second],
  ]);
});

test("diverseSiblingSearch() charges each continuation its rank", () => {
  const charged = (probabilities: number[], ranks: number[]) =>
    logs(...probabilities).map((log, i) => log - 0.5 * ranks[i]);
  return expectSearch(diverseScript, { strategy: diverseSiblingSearch(0.5) }, [
    [
      [[W1, W1, EOS], charged([0.9, 0.6, 1], [0, 1, 1])],
      [[W1, W2, EOS], charged([0.9, 0.4, 1], [0, 2, 1])],
    ],
    [
      [[W1, W2, EOS], charged([0.7, 0.4, 0.9], [0, 1, 1])],
      [[W1, W1, EOS], charged([0.7, 0.35, 0.9], [0, 2, 1])],
    ],
  ]);
});

const topPScript: Script = [
  Array.from({ length: 4 }, () => [0, 0, 1, 0] as const),
  Array.from({ length: 4 }, () => [0.25, 0, 0.4, 0.35] as const),
  Array.from({ length: 4 }, () => [1, 0, 0, 0] as const),
];

async function secondTokens(topP: number): Promise<Set<number>> {
  const tokens = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const strategy = sampling({ topP, draw: seededDraw(seed) });
    const generator = new SequenceGenerator(scripted(topPScript), { beam: 2, strategy });
    for (const { tokens: said } of (await generator.generate(batch)).flat()) tokens.add(said[1]);
  }
  return tokens;
}

test("sampling() with a small top-p always takes the most probable token", async () => {
  expect(await secondTokens(0.2)).toEqual(new Set([W1]));
});

test("sampling() draws from the fewest tokens that reach top-p", async () => {
  expect(await secondTokens((0.4 + 0.75) / 2)).toEqual(new Set([W1, W2]));
});

test("SequenceScorer scores each target by its mean log-probability", async () => {
  const probabilities = [
    [0.6, 0.7, 0.5, 0.9],
    [0.6, 0.8, 0.15, 1],
    [0.3, 0.7, 1, 1],
  ];
  const target = [
    [W1, W2, W1, EOS],
    [W2, W1, EOS, 1],
    [W2, EOS, 1, 1],
  ];
  const model = {
    score: async () => ({ logProbs: Float32Array.from(probabilities.flat(), Math.log) }),
  };
  const hypotheses = await new SequenceScorer([model]).score({
    source: { tokens: new Int32Array(9), sentences: 3, width: 3 },
    target: Int32Array.from(target.flat()),
    targetWidth: 4,
  });
  for (const [i, { tokens, score }] of hypotheses.entries()) {
    const length = target[i].filter((token) => token !== 1).length;
    expect([...tokens]).toEqual(target[i].slice(0, length));
    const sum = logs(...probabilities[i].slice(0, length)).reduce((a, b) => a + b);
    expect(score).toBeCloseTo(sum / length, 6);
  }
});

test("SequenceScorer averages the probabilities of several models and heeds starts", async () => {
  const model = (p: number) => ({
    score: async () => ({
      logProbs: new Float32Array(3).fill(Math.log(p)),
      attention: new Float32Array(6).fill(p),
    }),
  });
  const [hypothesis] = await new SequenceScorer([model(0.2), model(0.6)]).score({
    source: { tokens: new Int32Array(2), sentences: 1, width: 2 },
    target: Int32Array.from([W1, W2, EOS]),
    targetWidth: 3,
    starts: Int32Array.from([1]),
  });
  expect([...hypothesis.tokens]).toEqual([W2, EOS]);
  expect(hypothesis.score).toBeCloseTo(Math.log(0.4), 6);
  expect(hypothesis.attention?.length).toBe(4);
  expect(hypothesis.attention?.[0]).toBeCloseTo(0.4, 6);
});

test("repeatedNgramEnds() bans a token that a history of itself repeats", () => {
  for (const token of [2, 3]) {
    const ends: number[] = [];
    repeatedNgramEnds(Int32Array.from([token, token, token, token]), 4, 2, ends);
    expect(new Set(ends)).toEqual(new Set([token]));
  }
});

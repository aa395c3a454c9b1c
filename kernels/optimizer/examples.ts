// Cases for the op suite: lengths modulo 4, no element, decay, a step that must change nothing.
import type { Example, ExampleRandom, NoAttributes } from "../op.ts";
import { randomCases, randomExtent } from "../random_shapes.ts";
import type { ClipAttributes } from "./index.ts";
import type { LossScaleAttributes } from "./scaler_state.ts";

type Input = Example<unknown>["inputs"][number];

const LENGTHS = [1, 4, 7, 0, 4097];

const lengthsOf = (random: ExampleRandom): number[] => [
  ...LENGTHS,
  ...randomCases(() => randomExtent(random, 4096)),
];

const floats = (length: number, value: () => number): Input => ({
  shape: [length],
  dtype: "f32",
  data: Float64Array.from({ length }, () => Math.fround(value())),
});

const scalarOf = (value: number): Input => ({
  shape: [],
  dtype: "f32",
  data: Float64Array.of(Math.fround(value)),
});

export function adamExamples(random: ExampleRandom): Example<NoAttributes>[] {
  const example = (name: string, length: number, multiplier: number): Example<NoAttributes> => {
    const [beta1, beta2] = [0.9, random.uniform(0.95, 0.999)];
    const t = random.int(1, 30);
    const corrections = [1 - beta1 ** t, 1 - beta2 ** t];
    const decay = random.uniform(0, 0.1);
    return {
      name,
      attributes: {},
      inputs: [
        floats(length, () => random.normal()),
        floats(length, () => random.normal()),
        floats(length, () => random.normal()),
        floats(length, () => random.uniform(0.1, 2)),
        {
          shape: [8],
          dtype: "f32",
          data: Float64Array.of(0.01, beta1, beta2, 1e-6, decay, ...corrections, 0).map(
            Math.fround,
          ),
        },
        scalarOf(multiplier),
      ],
    };
  };
  return [
    ...lengthsOf(random).map((length) =>
      example(`${length} elements`, length, random.uniform(0.1, 2)),
    ),
    example("a multiplier that is not a number", 7, Number.NaN),
    example("an infinite multiplier", 9, Number.POSITIVE_INFINITY),
  ];
}

export function clipExamples(random: ExampleRandom): Example<ClipAttributes>[] {
  const cases = [
    { name: "above the limit", square: 9, maxNorm: 0.5 },
    { name: "below the limit", square: random.uniform(0.01, 0.02), maxNorm: 10 },
    { name: "no limit", square: 16, maxNorm: 0 },
    { name: "no gradient", square: 0, maxNorm: 1 },
  ];
  return cases.map(({ name, square, maxNorm }) => ({
    name,
    attributes: { maxNorm },
    inputs: [scalarOf(square), scalarOf(random.uniform(0.1, 2))],
  }));
}

export function emaExamples(random: ExampleRandom): Example<NoAttributes>[] {
  return lengthsOf(random).map((length) => ({
    name: `${length} elements`,
    attributes: {},
    inputs: [
      floats(length, () => random.normal()),
      floats(length, () => random.normal()),
      scalarOf(random.uniform(0.5, 1)),
    ],
  }));
}

export function lossScaleExamples(random: ExampleRandom): Example<LossScaleAttributes>[] {
  const settings = { factor: 2, window: 4, tolerance: 0, threshold: 0, minimum: 1e-4, maxNorm: 0 };
  const example = (
    name: string,
    square: number,
    counters: readonly number[],
    own: Partial<LossScaleAttributes> = {},
    known = counters[1],
  ): Example<LossScaleAttributes> => ({
    name,
    attributes: { ...settings, ...own },
    inputs: [
      scalarOf(128),
      { shape: [5], dtype: "i32", data: Float64Array.of(...counters, 0) },
      scalarOf(square),
      scalarOf(random.uniform(0.1, 0.2)),
      { shape: [], dtype: "i32", data: Float64Array.of(known) },
    ],
  });
  const infinity = Number.POSITIVE_INFINITY;
  const square = random.uniform(1, 9) * 1e4;
  return [
    example("first step", square, [0, -1, -1, 0]),
    example("end of the window", square, [3, -1, -1, 0]),
    example("clipped", square, [0, -1, -1, 0], { maxNorm: 1e-3 }),
    example("below the limit", square, [0, -1, -1, 0], { maxNorm: 1e3 }),
    example("overflow", infinity, [5, 2, 3, 0]),
    example("not a number", Number.NaN, [6, 5, 5, 0]),
    example("tolerated", infinity, [9, 2, 3, 0], { tolerance: 0.5 }),
    example("no more tolerated", infinity, [9, 8, 3, 2], { tolerance: 0.5 }),
    example("threshold", infinity, [1, -1, -1, 0], { threshold: 100 }),
    example("minimum", infinity, [1, -1, -1, 0], { minimum: 64 }),
    example("void", square, [6, 5, 5, 0], {}, 2),
    example("void, and not finite", infinity, [6, 5, 5, 0], {}, -1),
  ];
}

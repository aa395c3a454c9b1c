// Cases for the op suite: lengths modulo 4, no element, decay, a step that must change nothing.
import type { Example, ExampleRandom, NoAttributes } from "../op.ts";
import { randomCases, randomExtent } from "../random_shapes.ts";
import type { ClipAttributes } from "./index.ts";

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

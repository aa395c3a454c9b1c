// Cases for the op suite: ties, banned symbols, k = V, rows longer than a chunk, no rows.
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { randomCases, randomExtent } from "../random_shapes.ts";
import type { LogSoftmaxTopKAttributes, TopKAttributes } from "./index.ts";

type Input = Example<unknown>["inputs"][number];

const CASES = [
  { N: 1, V: 1, k: 1 },
  { N: 3, V: 7, k: 7 },
  { N: 4, V: 33, k: 5 },
  { N: 0, V: 9, k: 2 },
  { N: 2, V: 4099, k: 10 },
];

const casesOf = (random: ExampleRandom): typeof CASES => [
  ...CASES,
  ...randomCases(() => {
    const V = randomExtent(random, 2048);
    return { N: random.int(1, 5), V, k: random.int(1, Math.min(V, 12)) };
  }),
];

const floats = (shape: Shape, value: (index: number) => number): Input => ({
  shape,
  dtype: "f32",
  data: Float64Array.from({ length: sizeOf(shape) }, (_, index) => Math.fround(value(index))),
});

/** Rows of the numbers 0, 1/256, 2/256, ... in random order: no near ties that rounding could turn. */
function distinct(random: ExampleRandom, N: number, V: number): Input {
  const data = new Float64Array(N * V);
  for (let row = 0; row < N; row++) {
    const x = data.subarray(row * V, (row + 1) * V);
    for (let v = 0; v < V; v++) {
      const other = random.int(0, v);
      x[v] = x[other];
      x[other] = v / 256;
    }
  }
  return { shape: [N, V], dtype: "f32", data };
}

export function topKExamples(random: ExampleRandom): Example<TopKAttributes>[] {
  const banned = floats([2, 9], () => Number.NEGATIVE_INFINITY);
  banned.data[4] = 1;
  return [
    ...casesOf(random).map(({ N, V, k }) => ({
      name: `the ${k} best of (${N}, ${V})`,
      attributes: { k },
      inputs: [distinct(random, N, V)],
    })),
    { name: "ties", attributes: { k: 6 }, inputs: [floats([4, 50], () => random.int(0, 4))] },
    { name: "fewer than k finite", attributes: { k: 3 }, inputs: [banned] },
  ];
}

export function logSoftmaxTopKExamples(random: ExampleRandom): Example<LogSoftmaxTopKAttributes>[] {
  const cases = casesOf(random).flatMap(({ N, V, k }) =>
    [false, true].map((biased): Example<LogSoftmaxTopKAttributes> => {
      const ban = (index: number): boolean => index % 3 === 1;
      const bias = floats([V], (index) => (ban(index) ? Number.NEGATIVE_INFINITY : -0.5));
      return {
        name: `the ${k} best of (${N}, ${V})${biased ? " with a bias" : ""}`,
        attributes: { k, temperature: biased ? 1 : 0.5 },
        inputs: [distinct(random, N, V), ...(biased ? [bias] : [])],
      };
    }),
  );
  const ties = floats([3, 40], () => random.int(-2, 2));
  return [...cases, { name: "ties", attributes: { k: 5, temperature: 1 }, inputs: [ties] }];
}

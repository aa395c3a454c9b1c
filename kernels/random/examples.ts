// Cases of dropout for the suite: around blocks of 16 and 1,024, extreme keys.
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { randomCases, randomShape } from "../random_shapes.ts";
import type { Dropout } from "./index.ts";

const CASES: readonly (readonly [shape: Shape, p: number, stream: number])[] = [
  [[0], 0.1, 0],
  [[1], 0.5, 1],
  [[3, 7], 0.3, 2],
  [[16], 0.5, 3],
  [[2, 5, 211], 0.1, 4],
  [[9001], 0.2, -5],
  [[40], 0.999, 6],
];

/** Longer than a block of multipliers, now and then. */
const casesOf = (random: ExampleRandom): typeof CASES => [
  ...CASES,
  ...randomCases((): (typeof CASES)[number] => [
    randomShape(random, random.int(1, 3), 1024),
    random.uniform(0.01, 0.99),
    random.int(-100, 100),
  ]),
];

const array = (random: ExampleRandom, shape: Shape) => ({
  shape,
  dtype: "f32" as const,
  data: Float64Array.from({ length: sizeOf(shape) }, () => random.normal()),
});

/** Any 32 bits are a key. */
const keyOf = (random: ExampleRandom) => ({
  shape: [4],
  dtype: "i32" as const,
  data: Float64Array.of(
    random.int(-(2 ** 31), 2 ** 31 - 1),
    random.int(0, 1e6),
    random.int(0, 63),
    0,
  ),
});

const nameOf = (shape: Shape, p: number): string => `(${shape.join(", ")}) at ${p}`;

export const dropoutExamples = (random: ExampleRandom): Example<Dropout>[] =>
  casesOf(random).map(([shape, p, stream]) => ({
    name: nameOf(shape, p),
    attributes: { p, stream },
    inputs: [array(random, shape), keyOf(random)],
  }));

export const dropoutAddExamples = (random: ExampleRandom): Example<Dropout>[] =>
  casesOf(random).map(([shape, p, stream]) => ({
    name: nameOf(shape, p),
    attributes: { p, stream },
    inputs: [array(random, shape), array(random, shape), keyOf(random)],
  }));

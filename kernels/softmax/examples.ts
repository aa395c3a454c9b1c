// Cases for the op suite: rows of every length modulo 4, one element, no rows, extreme values.
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { NdArray } from "../nd_array.ts";
import type { Example, ExampleRandom, NoAttributes } from "../op.ts";
import { randomCases, randomShape } from "../random_shapes.ts";
import { logSoftmaxReference, logSumExpReference, softmaxReference } from "./reference.ts";

type Input = Example<NoAttributes>["inputs"][number];

const SHAPES: readonly Shape[] = [[1], [7], [3, 4], [2, 3, 5], [5, 1], [2, 130], [0, 6], [1, 4099]];

/** Longer than a chunk of the row sums, now and then. */
const shapesOf = (random: ExampleRandom): Shape[] => [
  ...SHAPES,
  ...randomCases(() => randomShape(random, random.int(1, 3), 2048)),
];

const normals = (random: ExampleRandom, shape: Shape, scale = 1): Input => ({
  shape,
  dtype: "f32",
  data: Float64Array.from({ length: sizeOf(shape) }, () => Math.fround(scale * random.normal())),
});

const rounded = ({ shape, data }: NdArray): Input => ({
  shape,
  dtype: "f32",
  data: Float64Array.from(Float32Array.from(data)),
});

const named = (shape: Shape, inputs: readonly Input[], name = `(${shape.join(", ")})`) => ({
  name,
  attributes: {},
  inputs,
});

/** Rows of x. */
export function rowExamples(random: ExampleRandom): Example<NoAttributes>[] {
  const huge: Input = { shape: [1, 3], dtype: "f32", data: Float64Array.of(1e4, 1e4, -1e4) };
  const large = normals(random, [2, 9], 500);
  return [
    ...shapesOf(random).map((shape) => named(shape, [normals(random, shape, 3)])),
    { ...named(huge.shape, [huge], "all far from zero"), differentiate: [] },
    { ...named(large.shape, [large], "wide range"), differentiate: [] },
  ];
}

const examplesOf =
  (inputs: (random: ExampleRandom, shape: Shape) => Input[]) =>
  (random: ExampleRandom): Example<NoAttributes>[] =>
    shapesOf(random).map((shape) => named(shape, inputs(random, shape)));

const arrayOf = ({ shape, data }: Input): NdArray => NdArray.of(shape, data);

/** y = softmax(x) and dy. */
export const softmaxGradientExamples = examplesOf((random, shape) => {
  const x = normals(random, shape);
  return [rounded(softmaxReference({}, [arrayOf(x)])[0]), normals(random, shape)];
});

/** y = logSoftmax(x) and dy; the sum of dy over a long row is large, and its rounding with it. */
export function logSoftmaxGradientExamples(random: ExampleRandom): Example<NoAttributes>[] {
  return shapesOf(random).map((shape) => {
    const x = normals(random, shape);
    const y = rounded(logSoftmaxReference({}, [arrayOf(x)])[0]);
    return named(shape, [y, normals(random, shape)]);
  });
}

/** x, lse = logSumExp(x) and dy, one number a row. */
export const logSumExpGradientExamples = examplesOf((random, shape) => {
  const x = normals(random, shape);
  return [x, rounded(logSumExpReference({}, [arrayOf(x)])[0]), normals(random, shape.slice(0, -1))];
});

// Cases of the elementwise ops for the suite: odd sizes, 1, 0, every kind of broadcast.
import { roundToHalf } from "../../src/tensor/half.ts";
import { type DType, type Shape, sizeOf } from "../../src/tensor/shape.ts";
import type { Example, ExampleRandom, NoAttributes } from "../op.ts";
import { randomCases, randomOperand, randomShape } from "../random_shapes.ts";
import type { ActivationGradient } from "./activation.ts";
import { ACTIVATIONS } from "./activation_names.ts";
import type { Binary } from "./binary.ts";
import type { Affine, Unary } from "./unary.ts";

const array = (shape: Shape, dtype: DType, value: () => number) => ({
  shape,
  dtype,
  data: Float64Array.from({ length: sizeOf(shape) }, value),
});

const SHAPES: readonly Shape[] = [[], [1], [0], [7], [3, 5], [2, 3, 16], [1037]];

/** Longer than what one thread takes at a time, now and then. */
const CHUNK = 2048;

const shapesOf = (random: ExampleRandom): Shape[] => [
  ...SHAPES,
  ...randomCases(() => randomShape(random, random.int(1, 4), CHUNK)),
];

const PAIRS: readonly (readonly [name: string, a: Shape, b: Shape])[] = [
  ["same shape", [3, 7], [3, 7]],
  ["many elements", [5003], [5003]],
  ["scalars", [], []],
  ["scalar on the right", [13], []],
  ["scalar on the left", [1, 1], [2, 9]],
  ["row", [5, 11], [11]],
  ["column", [5, 11], [5, 1]],
  ["row with column", [6, 1], [1, 5]],
  ["middle axis", [2, 3, 4, 5], [2, 1, 4, 5]],
  ["alternating axes", [2, 1, 3, 1, 5], [1, 4, 1, 2, 5]],
  ["no rows", [0, 4], [4]],
  ["no columns", [4, 0], [4, 1]],
];

function pairsOf(random: ExampleRandom): typeof PAIRS {
  const drawn = randomCases((number): (typeof PAIRS)[number] => {
    const shape = randomShape(random, random.int(1, 4), CHUNK);
    const operand = randomOperand(random, shape);
    return number % 2 === 0 ? ["random, right", shape, operand] : ["random, left", operand, shape];
  });
  return [...PAIRS, ...drawn];
}

export function binaryExamples(
  op: Binary,
  dtype: DType,
  random: ExampleRandom,
): Example<NoAttributes>[] {
  return pairsOf(random).map(([name, aShape, bShape]) => {
    if (dtype === "i32") {
      const value = () => random.int(-3, 3);
      return {
        name: `i32, ${name}`,
        attributes: {},
        inputs: [array(aShape, dtype, value), array(bShape, dtype, value)],
      };
    }
    // Multiples of 1/4 against odd multiples of 1/8: far from ties and from division by zero.
    const a = array(aShape, dtype, () => random.int(-12, 12) / 4);
    const b = array(bShape, dtype, () => (2 * random.int(-10, 9) + 1) / 8);
    if (op === "equal" && b.data.length > 0 && a.data.length > 0) b.data[0] = a.data[0];
    return { name, attributes: {}, inputs: [a, b] };
  });
}

/** Away from the kinks of relu and abs at 0. */
const awayFromZero = (random: ExampleRandom): number =>
  random.uniform(0.05, 4) * (random.int(0, 1) === 0 ? -1 : 1);

const POSITIVE: readonly Unary[] = ["log", "sqrt", "reciprocal"];

export function unaryExamples(op: Unary, random: ExampleRandom): Example<NoAttributes>[] {
  const value = POSITIVE.includes(op) ? () => random.uniform(0.2, 5) : () => awayFromZero(random);
  const cases = shapesOf(random).map((shape) => ({
    name: `shape (${shape.join(", ")})`,
    attributes: {},
    inputs: [array(shape, "f32", value)],
  }));
  if (POSITIVE.includes(op)) return cases;
  const extremes = op === "square" || op === "relu_squared" ? 1e3 : 80;
  const wide = array([37], "f32", () => random.uniform(-extremes, extremes));
  return [...cases, { name: "wide range", attributes: {}, inputs: [wide], differentiate: [] }];
}

export const affineExamples = (random: ExampleRandom): Example<Affine>[] =>
  shapesOf(random).map((shape) => ({
    name: `shape (${shape.join(", ")})`,
    attributes: { scale: -1.5, shift: 0.25 },
    inputs: [array(shape, "f32", () => random.normal())],
  }));

export const castExamples = (random: ExampleRandom): Example<{ readonly dtype: DType }>[] =>
  shapesOf(random).flatMap((shape) => [
    {
      name: `to i32 (${shape.join(", ")})`,
      attributes: { dtype: "i32" as const },
      inputs: [array(shape, "f32", () => random.int(-50, 50) + random.uniform(0.1, 0.9))],
    },
    {
      name: `to f32 (${shape.join(", ")})`,
      attributes: { dtype: "f32" as const },
      inputs: [array(shape, "i32", () => random.int(-1e6, 1e6))],
    },
    {
      name: `to f16 (${shape.join(", ")})`,
      attributes: { dtype: "f16" as const },
      inputs: [array(shape, "f32", () => nearHalf(random))],
      // The reference is rounded: nothing but its very number is right, and it has no slope.
      absolute: 0,
      relative: 0,
      differentiate: [],
    },
    {
      name: `f16 to f32 (${shape.join(", ")})`,
      attributes: { dtype: "f32" as const },
      inputs: [array(shape, "f16", () => roundToHalf(random.normal() * 2 ** random.int(-20, 10)))],
      absolute: 0,
      relative: 0,
    },
  ]);

/** Every exponent of f16 and some beyond; often midway between two neighbours, or almost. */
function nearHalf(random: ExampleRandom): number {
  const scale = 2 ** random.int(-27, 18);
  const steps = random.int(-2048, 2048) + [0, 0.5, 0.4999, 0.5001][random.int(0, 3)];
  return Math.fround((steps / 1024) * scale);
}

export const activationGradientExamples = (random: ExampleRandom): Example<ActivationGradient>[] =>
  ACTIVATIONS.flatMap((activation) =>
    [[0], [1], [3, 7], [1029], randomShape(random, 2, CHUNK)].map((shape) => ({
      name: `${activation} (${shape.join(", ")})`,
      attributes: { activation },
      inputs: [
        array(shape, "f32", () => awayFromZero(random)),
        array(shape, "f32", () => random.normal()),
      ],
    })),
  );

export function whereExamples(random: ExampleRandom): Example<NoAttributes>[] {
  const cases: readonly (readonly [string, Shape, Shape, Shape])[] = [
    ["all full", [3, 7], [3, 7], [3, 7]],
    ["many elements", [5001], [5001], [5001]],
    ["scalar choices", [11], [], []],
    ["one scalar choice", [2, 9], [2, 9], [1]],
    ["scalar condition", [], [5], [5]],
    ["scalars", [], [], []],
    ["empty", [0], [0], []],
    ...randomCases((): [string, Shape, Shape, Shape] => {
      const shape = randomShape(random, random.int(1, 3), CHUNK);
      // where() spreads operands of one element unless the result has more.
      const single = () => sizeOf(shape) > 1 && random.int(0, 2) === 0;
      const [condition, a, b] = [0, 1, 2].map(() => (single() ? [] : shape));
      return ["random", condition, a, b];
    }),
  ];
  return cases.flatMap(([name, condition, a, b]) =>
    (["f32", "i32"] as const).map((dtype) => {
      const value = dtype === "f32" ? () => random.normal() : () => random.int(-9, 9);
      return {
        name: `${dtype}, ${name}`,
        attributes: {},
        inputs: [
          array(condition, "i32", () => random.int(0, 1)),
          array(a, dtype, value),
          array(b, dtype, value),
        ],
      };
    }),
  );
}

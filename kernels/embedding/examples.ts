// Cases of the embedding ops for the suite: left and right padding, repeated tokens, odd widths.
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { randomCases, randomExtent, randomShape } from "../random_shapes.ts";
import type { Embedding, EmbeddingGradient, Positions } from "./index.ts";

const rows = (random: ExampleRandom, shape: Shape) => ({
  shape,
  dtype: "f32" as const,
  data: Float64Array.from({ length: sizeOf(shape) }, () => random.normal()),
});

const tokensOf = (random: ExampleRandom, shape: Shape, V: number) => ({
  shape,
  dtype: "i32" as const,
  data: Float64Array.from({ length: sizeOf(shape) }, () => random.int(0, V - 1)),
});

const CASES: readonly (readonly [V: number, C: number, tokens: Shape])[] = [
  [9, 6, [2, 5]],
  [4, 1, [7]],
  [3, 37, [1, 1]],
  [11, 8, []],
  [5, 4, [0, 3]],
  [300, 21, [3, 40]],
];

const casesOf = (random: ExampleRandom): typeof CASES => [
  ...CASES,
  ...randomCases((): (typeof CASES)[number] => [
    random.int(2, 40),
    randomExtent(random, 64),
    randomShape(random, random.int(1, 2), 32),
  ]),
];

// The padding row's gradient is zero by definition, not by derivative: no case pads and looks it up.
export const embeddingExamples = (random: ExampleRandom): Example<Embedding>[] =>
  casesOf(random).flatMap(([V, C, tokens]) =>
    [1, 2.5].map((scale) => ({
      name: `${V} x ${C} by (${tokens.join(", ")}), scale ${scale}`,
      attributes: { paddingIndex: -1, scale },
      inputs: [rows(random, [V, C]), tokensOf(random, tokens, V)],
    })),
  );

export const embeddingGradientExamples = (random: ExampleRandom): Example<EmbeddingGradient>[] =>
  casesOf(random).flatMap(([V, C, tokens]) =>
    [-1, 1].map((paddingIndex) => ({
      name: `(${tokens.join(", ")}) into ${V} x ${C}, padding ${paddingIndex}`,
      attributes: { shape: [V, C], paddingIndex, scale: 2.5 },
      inputs: [rows(random, [...tokens, C]), tokensOf(random, tokens, V)],
    })),
  );

export const embeddingGradientAddedExamples = (
  random: ExampleRandom,
): Example<EmbeddingGradient>[] =>
  embeddingGradientExamples(random).map(({ inputs, attributes, ...rest }) => ({
    ...rest,
    attributes,
    inputs: [...inputs, rows(random, attributes.shape)],
  }));

export const positionsExamples = (random: ExampleRandom): Example<Positions>[] =>
  [
    ...([[3, 7], [1, 1], [5], [2, 0], [0, 3], [40, 61]] as Shape[]),
    ...randomCases(() => randomShape(random, random.int(1, 2), 64)),
  ].map((shape) => ({
    name: `(${shape.join(", ")})`,
    attributes: { padding: 1 },
    inputs: [tokensOf(random, shape, 4)],
  }));

// Cases for the op suite: every width modulo 4, one row, no rows, several blocks of rows.
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { NdArray } from "../nd_array.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { randomCases, randomExtent } from "../random_shapes.ts";
import { residualDropoutNormReference } from "./reference.ts";
import type {
  LayerNormAttributes,
  NormGradientAttributes,
  ResidualNormAttributes,
} from "./shapes.ts";

type Input = Example<unknown>["inputs"][number];

const EPSILON = 1e-5;
// Width 1 normalises to 0: its gradients are 0, and rstd near 316 would drown them in rounding.
const SHAPES: readonly Shape[] = [[6], [3, 5], [2, 3, 7], [1, 64], [0, 4], [70, 9], [21, 130]];

/** Rows of at least 5: of fewer, all may come out nearly equal, with the same trouble. */
const shapesOf = (random: ExampleRandom): Shape[] => [
  ...SHAPES,
  ...randomCases(() => [randomExtent(random, 64), 4 + randomExtent(random, 512)]),
];

const normals = (random: ExampleRandom, shape: Shape, mean = 0, scale = 1): Input => ({
  shape,
  dtype: "f32",
  data: Float64Array.from({ length: sizeOf(shape) }, () =>
    Math.fround(mean + scale * random.normal()),
  ),
});

const keyOf = (random: ExampleRandom): Input => ({
  shape: [4],
  dtype: "i32",
  data: Float64Array.of(random.int(1, 1e6), random.int(1, 1e5), 1, 0),
});

const gainAndBias = (random: ExampleRandom, shape: Shape): Input[] => {
  const C = shape.at(-1) ?? 1;
  return [normals(random, [C], 1, 0.3), normals(random, [C])];
};

export function layerNormExamples(random: ExampleRandom): Example<LayerNormAttributes>[] {
  const cases = shapesOf(random).map((shape) => ({
    name: `(${shape.join(", ")})`,
    attributes: { epsilon: EPSILON },
    inputs: [normals(random, shape, 0.5, 2), ...gainAndBias(random, shape)],
    lossOutputs: [0],
  }));
  const constantRows: Input = { shape: [2, 5], dtype: "f32", data: new Float64Array(10).fill(3) };
  return [
    ...cases,
    {
      name: "rows without variance",
      attributes: { epsilon: EPSILON },
      inputs: [constantRows, ...gainAndBias(random, [2, 5])],
      differentiate: [1, 2],
      lossOutputs: [0],
    },
  ];
}

export function residualDropoutNormExamples(
  random: ExampleRandom,
): Example<ResidualNormAttributes>[] {
  return shapesOf(random).flatMap((shape) =>
    [undefined, { p: 0.4, stream: 5 }].map((dropout) => ({
      name: `(${shape.join(", ")})${dropout ? " with dropout" : ""}`,
      attributes: { epsilon: EPSILON, dropout },
      inputs: [
        normals(random, shape),
        normals(random, shape, 0.5, 2),
        ...gainAndBias(random, shape),
        ...(dropout ? [keyOf(random)] : []),
      ],
      lossOutputs: [0, 1],
    })),
  );
}

export function normGradientExamples(random: ExampleRandom): Example<NormGradientAttributes>[] {
  return residualDropoutNormExamples(random).map(({ name, attributes, inputs }, index) => {
    const [, h, mean, rstd] = residualDropoutNormReference(
      attributes,
      inputs.map(({ shape, data }) => NdArray.of(shape, data)),
    ).map(({ shape, data }): Input => ({ shape, dtype: "f32", data }));
    const skip = index % 3 !== 0;
    const { dropout } = attributes;
    return {
      name: `${name}${skip ? " and a skip" : ""}`,
      attributes: { skip, dropout },
      inputs: [
        ...[h, inputs[2], mean, rstd, normals(random, h.shape)],
        ...(skip ? [normals(random, h.shape)] : []),
        ...(dropout ? [inputs[4]] : []),
      ],
      absolute: 3e-5,
      relative: 3e-5,
    };
  });
}

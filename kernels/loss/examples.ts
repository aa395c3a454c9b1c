// Cases for the op suite: every vocabulary size modulo 4, rows longer than a chunk, padding, no rows.
import { sizeOf } from "../../src/tensor/shape.ts";
import { NdArray } from "../nd_array.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { randomCases, randomExtent } from "../random_shapes.ts";
import type { AccuracyAttributes, LossGradientAttributes, LossOptions } from "./index.ts";
import { labelSmoothedNllReference } from "./reference.ts";

type Input = Example<unknown>["inputs"][number];

const PADDING = 1;

const CASES = [
  { N: 1, V: 2, epsilon: 0 },
  { N: 5, V: 7, epsilon: 0 },
  { N: 4, V: 9, epsilon: 0.1 },
  { N: 11, V: 130, epsilon: 0.3 },
  { N: 3, V: 4099, epsilon: 0.1 },
  { N: 0, V: 5, epsilon: 0.1 },
];

const casesOf = (random: ExampleRandom): typeof CASES => [
  ...CASES,
  ...randomCases((number) => ({
    N: random.int(1, 7),
    V: 1 + randomExtent(random, 2048),
    epsilon: number % 2 === 0 ? 0 : random.uniform(0, 0.4),
  })),
];

const floats = (shape: number[], value: () => number): Input => ({
  shape,
  dtype: "f32",
  data: Float64Array.from({ length: sizeOf(shape) }, () => Math.fround(value())),
});

/** Every third target is padding. */
const targets = (random: ExampleRandom, N: number, V: number): Input => ({
  shape: [N],
  dtype: "i32",
  data: Float64Array.from({ length: N }, (_, row) =>
    row % 3 === 1 ? PADDING : random.int(2 % V, V - 1) === PADDING ? 0 : random.int(2 % V, V - 1),
  ),
});

export function lossExamples(random: ExampleRandom): Example<LossOptions>[] {
  return casesOf(random).map(({ N, V, epsilon }, number) => ({
    name: `(${N}, ${V}), epsilon ${epsilon}${number % 2 ? ", with its gradient" : ""}`,
    attributes: { epsilon, padding: PADDING, differentiate: number % 2 === 1 },
    inputs: [floats([N, V], () => 3 * random.normal()), targets(random, N, V)],
    differentiate: [0],
    lossOutputs: [0, 1],
  }));
}

export function lossGradientExamples(random: ExampleRandom): Example<LossGradientAttributes>[] {
  return lossExamples(random).map(({ name, attributes, inputs }, index) => {
    const [, , lse] = labelSmoothedNllReference(
      attributes,
      inputs.map(({ shape, data }) => NdArray.of(shape, data)),
    );
    const nll = index % 2 === 0;
    return {
      name: `${name}${nll ? ", both sums" : ""}`,
      attributes: { epsilon: attributes.epsilon, padding: PADDING, nll },
      inputs: [
        ...[...inputs, { shape: lse.shape, dtype: "f32" as const, data: lse.data }],
        floats([], () => random.uniform(0.5, 2)),
        ...(nll ? [floats([], () => random.uniform(0.5, 2))] : []),
      ],
    };
  });
}

/** Logits are small whole numbers, so that ties are common: the first one wins. */
export function accuracyExamples(random: ExampleRandom): Example<AccuracyAttributes>[] {
  return casesOf(random).map(({ N, V }) => {
    const logits = floats([N, V], () => random.int(-3, 3));
    const target = targets(random, N, V);
    for (let row = 0; row < N; row += 2) {
      if (target.data[row] !== PADDING) logits.data[row * V + target.data[row]] = 4;
    }
    return { name: `(${N}, ${V})`, attributes: { padding: PADDING }, inputs: [logits, target] };
  });
}

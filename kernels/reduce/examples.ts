// Cases of the reductions for the suite: rows, columns, everything, axes of 1 and 0.
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { randomCases, randomShape } from "../random_shapes.ts";
import type { Kind, Reduction } from "./reduce.ts";

const CASES: readonly (readonly [name: string, shape: Shape, from: number, to: number])[] = [
  ["all", [3, 7], 0, 2],
  ["all of several blocks", [40_001], 0, 1],
  ["all of a scalar", [], 0, 0],
  ["rows", [5, 13], 1, 2],
  ["long rows", [2, 2051], 1, 2],
  ["columns", [9, 17], 0, 1],
  ["many rows", [515, 6], 0, 1],
  ["middle axis", [3, 5, 7], 1, 2],
  ["two middle axes", [2, 3, 4, 5], 1, 3],
  ["an axis of 1", [4, 1, 3], 1, 2],
  ["one row", [1, 6], 0, 1],
  ["no rows", [0, 5], 1, 2],
  ["no columns", [5, 0], 0, 1],
];

const EMPTY_SUMS: typeof CASES = [
  ["all of nothing", [0], 0, 1],
  ["rows of nothing", [3, 0], 1, 2],
  ["columns of nothing", [0, 4], 0, 1],
];

/** All of a shape by turns with some neighbouring axes of it. */
const drawn = (random: ExampleRandom): typeof CASES =>
  randomCases((number) => {
    const shape = randomShape(random, random.int(1, 4), 2048);
    const from = number % 2 === 0 ? 0 : random.int(0, shape.length - 1);
    const to = number % 2 === 0 ? shape.length : random.int(from + 1, shape.length);
    return ["random", shape, from, to];
  });

export function reduceExamples(kind: Kind, random: ExampleRandom): Example<Reduction>[] {
  return (
    [...CASES, ...drawn(random), ...(kind === "max" ? [] : EMPTY_SUMS)]
      // Sums of squares are only taken of everything.
      .filter(([, shape, from, to]) => kind !== "square_sum" || to - from === shape.length)
      .flatMap(([name, shape, from, to]) =>
        [false, true].map((keepDim) => ({
          name: keepDim ? `${name}, kept` : name,
          attributes: { from, to, keepDim },
          inputs: [{ shape, dtype: "f32" as const, data: distinct(random, sizeOf(shape)) }],
          // Rounding grows with the sum of magnitudes, which signs may cancel in the result.
          absolute: 1e-5 + 1e-8 * sizeOf(shape),
        })),
      )
  );
}

/** Numbers that no small step makes equal: the largest stays the largest under differentiation. */
function distinct(random: ExampleRandom, count: number): Float64Array {
  const values = Float64Array.from({ length: count }, (_, i) => (i / Math.max(1, count)) * 4 - 2);
  for (let i = count - 1; i > 0; i--) {
    const j = random.int(0, i);
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}

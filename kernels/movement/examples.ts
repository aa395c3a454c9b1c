// Cases of the movement ops for the suite: odd sizes, extents of 1 and 0, all orders of axes.
import { type DType, type Shape, sizeOf } from "../../src/tensor/shape.ts";
import type { Example, ExampleRandom, NoAttributes } from "../op.ts";
import { randomCases, randomExtent, randomOperand, randomShape } from "../random_shapes.ts";
import type { Broadcast, Concatenation, Padding, Permutation, Slice } from "./rearrange.ts";

/** Longer than what a row of a copy takes at a time, now and then. */
const CHUNK = 256;

const shapeOf = (random: ExampleRandom): number[] => randomShape(random, random.int(1, 4), CHUNK);

const array = (random: ExampleRandom, shape: Shape, dtype: DType = "f32") => ({
  shape,
  dtype,
  data: Float64Array.from({ length: sizeOf(shape) }, () =>
    dtype === "f32" ? random.normal() : random.int(-1000, 1000),
  ),
});

const indices = (random: ExampleRandom, shape: Shape, low: number, high: number) => ({
  shape,
  dtype: "i32" as const,
  data: Float64Array.from({ length: sizeOf(shape) }, () => random.int(low, high)),
});

const named = (parts: readonly (string | Shape)[]): string =>
  parts.map((part) => (typeof part === "string" ? part : `(${part.join(", ")})`)).join(" ");

export const copyExamples = (random: ExampleRandom): Example<NoAttributes>[] =>
  ([[], [0], [5], [3, 17], [40_001], ...randomCases(() => shapeOf(random))] as Shape[]).flatMap(
    (shape) =>
      (["f32", "i32"] as const).map((dtype) => ({
        name: named([dtype, shape]),
        attributes: {},
        inputs: [array(random, shape, dtype)],
      })),
  );

export const reshapeExamples = (random: ExampleRandom): Example<{ readonly shape: Shape }>[] =>
  (
    [
      [[6], [2, 3]],
      [[2, 3, 5], [30]],
      [[1], []],
      [
        [0, 4],
        [2, 0],
      ],
      ...randomCases((): [Shape, Shape] => {
        const shape = shapeOf(random);
        return [shape, [1, sizeOf(shape)]];
      }),
    ] as [Shape, Shape][]
  ).map(([from, to]) => ({
    name: named([from, "to", to]),
    attributes: { shape: to },
    inputs: [array(random, from)],
  }));

function shuffled(random: ExampleRandom, values: readonly number[]): number[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

export const permuteExamples = (random: ExampleRandom): Example<Permutation>[] =>
  (
    [
      [
        [3, 5],
        [1, 0],
      ],
      [
        [19, 37],
        [1, 0],
      ],
      [
        [2, 21, 6],
        [0, 2, 1],
      ],
      [
        [2, 3, 5],
        [2, 1, 0],
      ],
      [
        [2, 3, 5],
        [1, 0, 2],
      ],
      [
        [2, 3, 4, 5],
        [0, 2, 1, 3],
      ],
      [
        [2, 3, 4, 5],
        [3, 1, 0, 2],
      ],
      [
        [1, 7, 1],
        [2, 0, 1],
      ],
      [
        [2, 3, 2, 3, 2],
        [4, 3, 2, 1, 0],
      ],
      [
        [0, 3],
        [1, 0],
      ],
      [[], []],
      ...randomCases(() => {
        const shape = shapeOf(random);
        return [shape, shuffled(random, [...shape.keys()])];
      }),
    ] as [Shape, number[]][]
  ).map(([shape, axes]) => ({
    name: named([shape, "by", axes]),
    attributes: { axes },
    inputs: [array(random, shape)],
  }));

export const sliceExamples = (random: ExampleRandom): Example<Slice>[] =>
  (
    [
      [[7], 0, 2, 5],
      [[40_001], 0, 1, 40_000],
      [[5, 6], 0, 1, 3],
      [[5, 6], 1, 2, 6],
      [[5, 6], 1, 5, 6],
      [[2, 5, 3], 1, 0, 4],
      [[2, 5, 3], 1, 2, 2],
      [[0, 3], 1, 1, 2],
      ...randomCases(() => {
        const shape = shapeOf(random);
        const axis = random.int(0, shape.length - 1);
        const start = random.int(0, shape[axis]);
        return [shape, axis, start, random.int(start, shape[axis])];
      }),
    ] as [Shape, number, number, number][]
  ).map(([shape, axis, start, end]) => ({
    name: `${named([shape])} axis ${axis} from ${start} to ${end}`,
    attributes: { axis, start, end },
    inputs: [array(random, shape)],
  }));

export const concatExamples = (random: ExampleRandom): Example<Concatenation>[] =>
  (
    [
      [0, [[3], [4]]],
      [
        0,
        [
          [2, 3],
          [5, 3],
          [0, 3],
          [1, 3],
        ],
      ],
      [
        1,
        [
          [2, 3],
          [2, 1],
        ],
      ],
      [
        1,
        [
          [4, 1],
          [4, 1],
          [4, 1],
        ],
      ],
      [
        1,
        [
          [2, 3, 5],
          [2, 4, 5],
        ],
      ],
      [
        2,
        [
          [2, 3, 300],
          [2, 3, 7],
        ],
      ],
      [
        1,
        [
          [0, 3],
          [0, 2],
        ],
      ],
      ...randomCases(() => {
        const shape = shapeOf(random);
        const axis = random.int(0, shape.length - 1);
        const parts = Array.from({ length: random.int(2, 4) }, () =>
          shape.with(axis, randomExtent(random, 8)),
        );
        return [axis, parts];
      }),
    ] as [number, Shape[]][]
  ).map(([axis, shapes]) => ({
    name: `${named(shapes)} axis ${axis}`,
    attributes: { axis },
    inputs: shapes.map((shape) => array(random, shape)),
  }));

export const broadcastExamples = (random: ExampleRandom): Example<Broadcast>[] =>
  (
    [
      [[], [5]],
      [[1], [3, 7]],
      [[], [20_003]],
      [[7], [3, 7]],
      [
        [3, 1],
        [3, 7],
      ],
      [
        [2, 1, 5],
        [2, 4, 5],
      ],
      [
        [1, 4, 1],
        [3, 4, 6],
      ],
      [
        [1, 3],
        [0, 3],
      ],
      ...randomCases((): [Shape, Shape] => {
        const shape = shapeOf(random);
        return [randomOperand(random, shape), shape];
      }),
    ] as [Shape, Shape][]
  ).map(([from, to]) => ({
    name: named([from, "to", to]),
    attributes: { shape: to },
    inputs: [array(random, from)],
  }));

export const padExamples = (random: ExampleRandom): Example<Padding>[] =>
  (
    [
      [[5], 0, 2, 3],
      [[3, 4], 0, 1, 0],
      [[3, 4], 1, 0, 2],
      [[2, 3, 5], 1, 1, 1],
      [[3, 1], 1, 1, 2],
      [[0, 4], 0, 1, 1],
      ...randomCases(() => {
        const shape = shapeOf(random);
        return [shape, random.int(0, shape.length - 1), random.int(0, 5), random.int(0, 5)];
      }),
    ] as [Shape, number, number, number][]
  ).map(([shape, axis, before, after]) => ({
    name: `${named([shape])} axis ${axis} by ${before} and ${after}`,
    attributes: { axis, before, after },
    inputs: [array(random, shape)],
  }));

/** Widths around the SIMD step, index shapes, and numbers outside the rows. */
const ROWS: readonly (readonly [x: Shape, index: Shape])[] = [
  [[5, 7], [4]],
  [
    [3, 4],
    [2, 5],
  ],
  [[6], [9]],
  [[4, 2, 9], [6]],
  [[2, 300], [3]],
  [[1, 1], [1]],
  [[3, 5], [0]],
];

const rowsOf = (random: ExampleRandom): typeof ROWS => [
  ...ROWS,
  ...randomCases((): (typeof ROWS)[number] => [
    [random.int(1, 9), ...randomShape(random, random.int(1, 2), CHUNK)],
    randomShape(random, random.int(1, 2), 16),
  ]),
];

export function gatherExamples(random: ExampleRandom): Example<NoAttributes>[] {
  const cases = rowsOf(random).map(([x, index]) => ({
    name: named([x, "by", index]),
    attributes: {},
    inputs: [array(random, x), indices(random, index, 0, x[0] - 1)],
  }));
  return [
    ...cases,
    {
      name: "i32 rows",
      attributes: {},
      inputs: [array(random, [4, 6], "i32"), indices(random, [5], 0, 3)],
    },
    {
      name: "numbers outside the rows",
      attributes: {},
      inputs: [array(random, [4, 6]), indices(random, [12], -2, 6)],
    },
  ];
}

export const moveExamples = (random: ExampleRandom): Example<NoAttributes>[] =>
  (
    [
      [[7], [4], 5],
      [[2, 6], [9], 1],
      [[5], [3, 4], 260],
      [[0], [3], 4],
      [[3], [0], 4],
      ...randomCases((): [Shape, Shape, number] => {
        const from = [random.int(1, 4), random.int(1, 9)];
        return [from, [random.int(1, 30)], randomExtent(random, CHUNK)];
      }),
    ] as [Shape, Shape, number][]
  ).map(([from, to, width]) => {
    const [rows, places] = [sizeOf(from), sizeOf(to)];
    const index = new Float64Array(places).fill(-1);
    const inverse = new Float64Array(rows).fill(-1);
    const taken = shuffled(random, [...inverse.keys()]);
    const given = shuffled(random, [...index.keys()]);
    const moved = random.int(0, Math.min(rows, places));
    for (const [n, row] of taken.slice(0, moved).entries()) {
      index[given[n]] = row;
      inverse[row] = given[n];
    }
    return {
      name: named([from, "to", to, "of", [width]]),
      attributes: {},
      inputs: [
        array(random, [...from, width]),
        { shape: to, dtype: "i32", data: index },
        { shape: from, dtype: "i32", data: inverse },
      ],
    };
  });

export const scatterExamples = (random: ExampleRandom): Example<{ readonly shape: Shape }>[] =>
  rowsOf(random).map(([shape, index]) => ({
    name: named([index, "rows into", shape]),
    attributes: { shape },
    inputs: [array(random, [...index, ...shape.slice(1)]), indices(random, index, -1, shape[0])],
  }));

export const cacheStoreExamples = (random: ExampleRandom): Example<NoAttributes>[] =>
  (
    [
      ["all rows", [3, 5, 7], 3, 2],
      ["some rows", [4, 3, 260], 2, 0],
      ["last position", [2, 6, 1], 2, 5],
      ["no position", [2, 3, 4], 2, 3],
      ["no rows", [2, 3, 4], 0, 1],
      ...randomCases(() => {
        const [rows, positions] = [random.int(1, 5), randomExtent(random, 16)];
        const cache = [rows, positions, randomExtent(random, CHUNK)];
        return ["random", cache, random.int(1, rows), random.int(0, positions)];
      }),
    ] as [string, Shape, number, number][]
  ).map(([name, cache, rows, position]) => ({
    name,
    attributes: {},
    inputs: [
      array(random, cache),
      array(random, [rows, cache[2]]),
      { shape: [], dtype: "i32" as const, data: Float64Array.of(position) },
    ],
  }));

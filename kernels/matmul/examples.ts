// Cases of the products for the suite: every transposition, batches, sizes beside and beyond all tiles.
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import type { Example, ExampleRandom } from "../op.ts";
import { EPILOGUES } from "./activation.ts";
import type { LinearAttributes } from "./linear.ts";
import { type MatmulAttributes, productOf } from "./shapes.ts";

const FORMS = [
  { name: "A B", transA: false, transB: false },
  { name: "A B^T", transA: false, transB: true },
  { name: "A^T B", transA: true, transB: false },
  { name: "A^T B^T", transA: true, transB: true },
] as const;

/** 1, below and above the tiles, up to and beyond where packing begins, deeper than a block. */
const SIZES: readonly (readonly [M: number, N: number, K: number])[] = [
  [1, 1, 1],
  [1, 37, 9],
  [7, 5, 3],
  [4, 33, 21],
  [16, 8, 64],
  [43, 19, 6],
  [53, 41, 301],
  [3, 2, 0],
  [0, 4, 5],
  [5, 0, 2],
];

const BATCHES: readonly (readonly [name: string, a: Shape, b: Shape])[] = [
  ["batch", [2, 3], [2, 3]],
  ["batch with one matrix on the left", [], [4]],
  ["batch with one matrix on the right", [3], [1]],
  ["empty batch", [0], [0]],
];

const matrix = (batch: Shape, rows: number, columns: number, turned: boolean): Shape =>
  turned ? [...batch, columns, rows] : [...batch, rows, columns];

export function matmulExamples(random: ExampleRandom): Example<MatmulAttributes>[] {
  const examples: Example<MatmulAttributes>[] = [];
  const add = (name: string, attributes: MatmulAttributes, shapes: readonly Shape[]): void => {
    const inputs = shapes.map((shape) => normals(random, shape));
    examples.push({ name, attributes, inputs, absolute: 1e-4 });
  };
  for (const { name, ...form } of FORMS) {
    for (const [M, N, K] of SIZES) {
      add(`${name}, ${M} x ${N} x ${K}`, { ...form, merge: true }, [
        matrix([], M, K, form.transA),
        matrix([], K, N, form.transB),
      ]);
    }
    const [M, N, K] = [random.int(1, 12), random.int(1, 20), random.int(1, 12)];
    for (const [title, a, b] of BATCHES) {
      add(`${name}, ${title}`, { ...form, merge: false }, [
        matrix(a, M, K, form.transA),
        matrix(b, K, N, form.transB),
      ]);
    }
  }
  add("merged rows", { transA: false, transB: true, merge: true }, [
    [2, 3, 7],
    [5, 7],
  ]);
  add("gradient of a weight", { transA: true, transB: false, merge: true }, [
    [4, 3, 7],
    [12, 9],
  ]);
  return examples;
}

/** Few: the products themselves are matmul's. */
export function matmulAddedExamples(random: ExampleRandom): Example<MatmulAttributes>[] {
  const cases: readonly (readonly [form: number, merge: boolean, a: Shape, b: Shape])[] = [
    [2, true, [301, 53], [301, 41]],
    [0, true, [2, 7, 5], [5, 3]],
    [1, false, [3, 4, 6], [3, 2, 6]],
    [0, true, [2, 0], [0, 3]],
    [2, true, [1, 3, 9], [3, 1]],
  ];
  return cases.map(([form, merge, a, b]) => {
    const { name, ...turned } = FORMS[form];
    const attributes = { ...turned, merge };
    const operands = [a, b].map((each) => normals(random, each));
    const { shape } = productOf("matmul_added", attributes, operands);
    return {
      name: `${name}, (${a.join(", ")}) by (${b.join(", ")})`,
      attributes,
      inputs: [...operands, normals(random, shape)],
      absolute: 1e-4,
    };
  });
}

export function linearExamples(random: ExampleRandom): Example<LinearAttributes>[] {
  const examples: Example<LinearAttributes>[] = [];
  for (const activation of EPILOGUES) {
    for (const keepPre of [false, true]) {
      const [rows, K, N] = [random.int(1, 11), random.int(1, 40), random.int(1, 21)];
      for (const bias of [[N], undefined]) {
        const shapes = [[rows, K], [N, K], ...(bias ? [bias] : [])];
        examples.push({
          name: `${activation}${bias ? ", bias" : ""}${keepPre ? ", kept" : ""}`,
          attributes: { activation, keepPre },
          inputs: shapes.map((shape) => normals(random, shape)),
          // What comes before the activation is for the gradient's own use.
          lossOutputs: [0],
          absolute: 5e-5,
        });
      }
    }
  }
  for (const shape of [[7], [2, 3, 7], [0, 7], [61, 2, 7]]) {
    const inputs = [shape, [13, 7], [13]].map((each) => normals(random, each));
    const attributes = { activation: "relu", keepPre: false } as const;
    examples.push({ name: `x of ${shape.length} axes`, attributes, inputs, absolute: 5e-5 });
  }
  // Enough work for several threads, by columns and by rows.
  for (const [rows, N] of [
    [30, 96],
    [101, 21],
  ]) {
    examples.push({
      name: `${rows} rows, ${N} columns`,
      attributes: { activation: "gelu", keepPre: true },
      inputs: [[rows, 64], [N, 64], [N]].map((shape) => normals(random, shape)),
      lossOutputs: [0],
      absolute: 1e-4,
    });
  }
  return examples;
}

const normals = (random: ExampleRandom, shape: Shape) => ({
  shape,
  dtype: "f32" as const,
  data: Float64Array.from({ length: sizeOf(shape) }, () => random.normal()),
});

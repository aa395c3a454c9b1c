// The op behind sum, max and squareSum: one group of neighbouring axes becomes one number.
import {
  isFloat,
  type Shape,
  ShapeError,
  sizeOf,
  type TensorSpec,
} from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { CpuDispatch, Op, OpSpec } from "../op.ts";
import { reduceExamples } from "./examples.ts";
import { reduceReference } from "./reference.ts";
import { reduceWgsl } from "./wgsl.ts";

/** In the order of their numbers in simd.as.ts. */
const KINDS = ["sum", "max", "square_sum"] as const;
export type Kind = (typeof KINDS)[number];

/** Axes [from, to) are reduced; keepDim leaves them with extent 1. */
export interface Reduction {
  readonly from: number;
  readonly to: number;
  readonly keepDim: boolean;
}

/** Elements of a block when everything becomes one number. */
export const BLOCK = 16384;

/** x seen as (outer, length, inner) with the reduced axes in the middle. */
export function reductionExtents({ from, to }: Reduction, shape: Shape) {
  return {
    outer: sizeOf(shape, 0, from),
    length: sizeOf(shape, from, to),
    inner: sizeOf(shape, to),
  };
}

export function reducedShape({ from, to, keepDim }: Reduction, shape: Shape): number[] {
  const ones = keepDim ? new Array<number>(to - from).fill(1) : [];
  return [...shape.slice(0, from), ...ones, ...shape.slice(to)];
}

type Rule = (x: Tensor, y: Tensor, dy: Tensor, reduction: Reduction) => Tensor;

export function reduceOp(kind: Kind, rule: Rule): Op<Reduction> {
  return {
    name: kind,
    infer(reduction, [x]) {
      if (!isFloat(x.dtype)) throw new ShapeError(kind, [x], "needs floats; cast first");
      if (kind === "max" && reductionExtents(reduction, x.shape).length === 0) {
        throw new ShapeError(kind, [x], "nothing to take the largest of");
      }
      // Squares of halves soon leave their range.
      const dtype = kind === "square_sum" ? "f32" : x.dtype;
      return [{ shape: reducedShape(reduction, x.shape), dtype }];
    },
    gradient: ({ attributes, inputs: [x], outputs: [y] }, [dy]) =>
      dy ? [rule(x, y, dy, attributes)] : [],
    reference: (reduction, [x]) => [reduceReference(kind, reduction, x)],
    cpu: (spec) => reduceCpu(kind, spec),
    webgpu: (spec, facts) => reduceWgsl(kind, spec, facts),
    halfInputs: "all",
    examples: (random) => reduceExamples(kind, random),
  };
}

function reduceCpu(
  kind: Kind,
  { attributes, inputs: [x] }: OpSpec<Reduction>,
): readonly CpuDispatch[] {
  const { outer, length, inner } = reductionExtents(attributes, x.shape);
  const number = KINDS.indexOf(kind);
  if (outer === 1 && inner === 1) return reduceAllCpu(kind, x);
  if (inner === 1) {
    return [
      {
        kernel: "reduce_rows",
        arguments: [number, { input: 0 }, { output: 0 }, length],
        work: outer,
        grain: Math.max(1, Math.floor(8192 / Math.max(1, length))),
      },
    ];
  }
  return [
    {
      kernel: "reduce_columns",
      arguments: [number, { input: 0 }, { output: 0 }, length, inner],
      work: outer * inner,
      // Whole cache lines of y, and enough of x to be worth a second thread.
      grain: Math.max(16, Math.ceil(8192 / Math.max(1, length) / 16) * 16),
    },
  ];
}

function reduceAllCpu(kind: Kind, x: TensorSpec): readonly CpuDispatch[] {
  const number = KINDS.indexOf(kind);
  const elements = sizeOf(x.shape);
  const blocks = Math.ceil(elements / BLOCK);
  const parts = { shared: "parts", bytes: Math.max(1, blocks) * 8 };
  return [
    {
      kernel: "reduce_blocks",
      arguments: [number, { input: 0 }, parts, elements, BLOCK],
      work: blocks,
    },
    {
      kernel: "reduce_parts",
      arguments: [number, parts, { output: 0 }, blocks],
      work: 1,
    },
  ];
}

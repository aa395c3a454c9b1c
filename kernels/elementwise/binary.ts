// Ops of two operands under NumPy's broadcasting.
import {
  broadcastShapes,
  type DType,
  isFloat,
  ShapeError,
  sizeOf,
} from "../../src/tensor/shape.ts";
import { apply, scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { padAxes } from "../merged_axes.ts";
import type { CpuDispatch, Example, ExampleRandom, NoAttributes, Op, OpSpec } from "../op.ts";
import { sumTo } from "../reduce/index.ts";
import { planBroadcast } from "./broadcast_plan.ts";
import { binaryExamples } from "./examples.ts";
import { binaryReference } from "./reference.ts";
import { neg } from "./unary.ts";
import { binaryWgsl } from "./wgsl.ts";
import { where } from "./where.ts";

/** In the order of their numbers in binary.as.ts. */
const BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "equal", "less"] as const;
export type Binary = (typeof BINARY)[number];

/** Added to an op's number when its operands are i32. */
const INTEGER = 8;
/** Elements that are worth a second thread. */
const GRAIN = 4096;

/** The result may lie where an operand of its size lies. */
const IN_PLACE: readonly (readonly [output: number, input: number])[] = [
  [0, 0],
  [0, 1],
];

const isComparison = (name: Binary): boolean => name === "equal" || name === "less";

type Rule = (
  node: { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] },
  dy: Tensor,
) => readonly [Tensor, Tensor];

function binaryOp(name: Binary, rule?: Rule): Op<NoAttributes> {
  return {
    name,
    infer(_, [a, b]) {
      if (a.dtype !== b.dtype) throw new ShapeError(name, [a, b], "dtypes differ; cast one");
      if (name === "div" && !isFloat(a.dtype)) {
        throw new ShapeError(name, [a, b], "only floats are divided");
      }
      const shape = broadcastShapes(name, a, b);
      planBroadcast(name, shape, [a, b]);
      return [{ shape, dtype: isComparison(name) ? "i32" : a.dtype }];
    },
    gradient:
      rule &&
      ((node, [dy]) => {
        const [a, b] = node.inputs;
        if (!dy || !isFloat(a.dtype)) return [];
        const [da, db] = rule(node, dy);
        return [sumTo(da, a.shape), sumTo(db, b.shape)];
      }),
    reference: (_, inputs) => [binaryReference(name, inputs)],
    cpu: (spec) => binaryCpu(name, spec),
    webgpu: (spec, facts) => binaryWgsl(name, spec, facts),
    // A comparison's i32 cannot take the place of f32: WebGPU types memory.
    inPlace: isComparison(name) ? [] : IN_PLACE,
    halfInputs: "all",
    examples: (random) => examples(name, random),
  };
}

function binaryCpu(name: Binary, { inputs, outputs }: OpSpec<NoAttributes>): CpuDispatch {
  const number = BINARY.indexOf(name) + (inputs[0].dtype === "i32" ? INTEGER : 0);
  const { shape } = outputs[0];
  const { extents, strides } = planBroadcast(name, shape, inputs);
  const operands = [number, { input: 0 }, { input: 1 }, { output: 0 }];
  const [aStrides, bStrides] = strides;
  if (extents.length === 1) {
    return {
      kernel: "elementwise_binary_flat",
      arguments: [...operands, aStrides[0], bStrides[0]],
      work: sizeOf(shape),
      grain: GRAIN,
    };
  }
  const inner = extents[extents.length - 1];
  const numbers = [
    ...padAxes(extents, 1).slice(1),
    ...padAxes(aStrides, 0),
    ...padAxes(bStrides, 0),
  ];
  return {
    kernel: "elementwise_binary_rows",
    arguments: [...operands, ...numbers],
    work: inner === 0 ? 0 : sizeOf(shape) / inner,
    grain: Math.max(1, Math.floor(GRAIN / Math.max(1, inner))),
  };
}

function examples(name: Binary, random: ExampleRandom): readonly Example<NoAttributes>[] {
  const dtypes: DType[] = name === "div" ? ["f32"] : ["f32", "i32"];
  return dtypes.flatMap((dtype) => binaryExamples(name, dtype, random));
}

const addOp = binaryOp("add", (_, dy) => [dy, dy]);
const subOp = binaryOp("sub", (_, dy) => [dy, neg(dy)]);
const mulOp = binaryOp("mul", ({ inputs: [a, b] }, dy) => [mul(dy, b), mul(dy, a)]);
// d(a / b) = da / b - y db / b
const divOp = binaryOp("div", ({ inputs: [, b], outputs: [y] }, dy) => {
  const da = div(dy, b);
  return [da, neg(mul(da, y))];
});
// Equal operands: the first takes the whole gradient.
const maximumOp = binaryOp("maximum", ({ inputs: [a, b] }, dy) => {
  const second = less(a, b);
  const zero = scalar(0, dy.dtype);
  return [where(second, zero, dy), where(second, dy, zero)];
});
const minimumOp = binaryOp("minimum", ({ inputs: [a, b] }, dy) => {
  const second = less(b, a);
  const zero = scalar(0, dy.dtype);
  return [where(second, zero, dy), where(second, dy, zero)];
});
const equalOp = binaryOp("equal");
const lessOp = binaryOp("less");

/** a + b, broadcast; of one dtype. @throws ShapeError */
export const add = (a: Tensor, b: Tensor): Tensor => apply(addOp, {}, a, b);

/** a - b, broadcast; of one dtype. @throws ShapeError */
export const sub = (a: Tensor, b: Tensor): Tensor => apply(subOp, {}, a, b);

/** a b, element by element, broadcast; of one dtype. @throws ShapeError */
export const mul = (a: Tensor, b: Tensor): Tensor => apply(mulOp, {}, a, b);

/** a / b, broadcast, floats. @throws ShapeError */
export const div = (a: Tensor, b: Tensor): Tensor => apply(divOp, {}, a, b);

/** The larger of a and b, broadcast; NaN if either is. @throws ShapeError */
export const maximum = (a: Tensor, b: Tensor): Tensor => apply(maximumOp, {}, a, b);

/** The smaller of a and b, broadcast; NaN if either is. @throws ShapeError */
export const minimum = (a: Tensor, b: Tensor): Tensor => apply(minimumOp, {}, a, b);

/** 1 where a = b, else 0: i32, broadcast. No gradient. @throws ShapeError */
export const equal = (a: Tensor, b: Tensor): Tensor => apply(equalOp, {}, a, b);

/** 1 where a < b, else 0: i32, broadcast. No gradient. @throws ShapeError */
export const less = (a: Tensor, b: Tensor): Tensor => apply(lessOp, {}, a, b);

export const binaryOps = [
  addOp,
  subOp,
  mulOp,
  divOp,
  maximumOp,
  minimumOp,
  equalOp,
  lessOp,
] as readonly Op<unknown>[];

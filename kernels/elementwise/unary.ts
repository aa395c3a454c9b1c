// Ops of one operand. Activations with their own derivative op are in activation.ts.
import {
  type DType,
  isFloat,
  ShapeError,
  sizeOf,
  type TensorSpec,
} from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import type { CpuDispatch, NoAttributes, Op } from "../op.ts";
import { div, mul } from "./binary.ts";
import { affineExamples, castExamples, unaryExamples } from "./examples.ts";
import { castReference, mapReference, unaryReference } from "./reference.ts";
import { affineWgsl, unaryWgsl } from "./wgsl.ts";

/** The kernel of each is `elementwise_` and its name. */
export type Unary =
  | "neg"
  | "exp"
  | "log"
  | "sqrt"
  | "reciprocal"
  | "abs"
  | "square"
  | "sign"
  | "relu"
  | "gelu"
  | "gelu_accurate"
  | "tanh"
  | "sigmoid"
  | "swish"
  | "relu_squared"
  | "to_f32"
  | "to_i32";

/** Elements that are worth a second thread. */
export const UNARY_GRAIN = 2048;

export type UnaryRule = (node: { readonly x: Tensor; readonly y: Tensor }, dy: Tensor) => Tensor;

function requireFloat(op: string, x: TensorSpec): TensorSpec {
  if (!isFloat(x.dtype)) throw new ShapeError(op, [x], "needs floats");
  return x;
}

const unaryCpu = (name: Unary, elements: number): CpuDispatch => ({
  kernel: `elementwise_${name}`,
  arguments: [{ input: 0 }, { output: 0 }],
  work: elements,
  grain: UNARY_GRAIN,
});

/** An op on floats that changes neither shape nor dtype. */
export function unaryOp(name: Unary, rule?: UnaryRule): Op<NoAttributes> {
  return {
    name,
    infer: (_, [x]) => [requireFloat(name, x)],
    gradient: rule && (({ inputs: [x], outputs: [y] }, [dy]) => (dy ? [rule({ x, y }, dy)] : [])),
    reference: (_, [x]) => [unaryReference(name, x)],
    cpu: ({ inputs: [x] }) => unaryCpu(name, sizeOf(x.shape)),
    webgpu: (spec, facts) => unaryWgsl(name, spec, facts),
    inPlace: [[0, 0]],
    halfInputs: "all",
    examples: (random) => unaryExamples(name, random),
  };
}

const negOp = unaryOp("neg", (_, dy) => neg(dy));
const expOp = unaryOp("exp", ({ y }, dy) => mul(dy, y));
const logOp = unaryOp("log", ({ x }, dy) => div(dy, x));
const sqrtOp = unaryOp("sqrt", ({ y }, dy) => div(affine(dy, 0.5, 0), y));
const reciprocalOp = unaryOp("reciprocal", ({ y }, dy) => neg(mul(dy, square(y))));
const absOp = unaryOp("abs", ({ x }, dy) => mul(dy, sign(x)));
const squareOp = unaryOp("square", ({ x }, dy) => mul(affine(dy, 2, 0), x));
const signOp = unaryOp("sign");

/** -x */
export const neg = (x: Tensor): Tensor => apply(negOp, {}, x);

/** e^x; 0 below -87.3, infinity above 88.7. */
export const exp = (x: Tensor): Tensor => apply(expOp, {}, x);

/** Natural logarithm. */
export const log = (x: Tensor): Tensor => apply(logOp, {}, x);

export const sqrt = (x: Tensor): Tensor => apply(sqrtOp, {}, x);

/** 1 / x */
export const reciprocal = (x: Tensor): Tensor => apply(reciprocalOp, {}, x);

export const abs = (x: Tensor): Tensor => apply(absOp, {}, x);

/** x^2 */
export const square = (x: Tensor): Tensor => apply(squareOp, {}, x);

/** -1, 0 or 1. No gradient. */
export const sign = (x: Tensor): Tensor => apply(signOp, {}, x);

export interface Affine {
  readonly scale: number;
  readonly shift: number;
}

const affineOp: Op<Affine> = {
  name: "affine",
  infer: (_, [x]) => [requireFloat("affine", x)],
  gradient: ({ attributes: { scale } }, [dy]) => (dy ? [affine(dy, scale, 0)] : []),
  reference: ({ scale, shift }, [x]) => [mapReference(x, (value) => scale * value + shift)],
  cpu: ({ attributes: { scale, shift }, inputs: [x] }) => ({
    kernel: "elementwise_affine",
    arguments: [{ input: 0 }, { output: 0 }, { f32: scale }, { f32: shift }],
    work: sizeOf(x.shape),
    grain: UNARY_GRAIN,
  }),
  webgpu: affineWgsl,
  inPlace: [[0, 0]],
  halfInputs: "all",
  examples: affineExamples,
};

/** scale x + shift, with numbers that are part of the plan. Numbers that change are tensors. */
export const affine = (x: Tensor, scale: number, shift: number): Tensor =>
  apply(affineOp, { scale, shift }, x);

const castOp: Op<{ readonly dtype: DType }> = {
  name: "cast",
  infer({ dtype }, [x]) {
    if (x.dtype === dtype) throw new ShapeError("cast", [x], `is ${dtype} already`);
    return [{ shape: x.shape, dtype }];
  },
  gradient: ({ attributes: { dtype }, inputs: [x] }, [dy]) =>
    dy && isFloat(dtype) && isFloat(x.dtype) ? [cast(dy, x.dtype)] : [],
  reference: ({ dtype }, [x]) => [castReference(dtype, x)],
  cpu: ({ attributes: { dtype }, inputs: [x] }) =>
    unaryCpu(dtype === "i32" ? "to_i32" : "to_f32", sizeOf(x.shape)),
  webgpu: (spec, facts) =>
    unaryWgsl(spec.attributes.dtype === "i32" ? "to_i32" : "to_f32", spec, facts),
  examples: castExamples,
};

/**
 * x as another dtype: to i32 cuts the fraction off (NaN is 0); f32 to f16 takes the nearest,
 * to even between two, and infinity from 65520 on. No gradient through i32.
 */
export const cast = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : apply(castOp, { dtype }, x);

export const unaryOps = [
  negOp,
  expOp,
  logOp,
  sqrtOp,
  reciprocalOp,
  absOp,
  squareOp,
  signOp,
  affineOp,
  castOp,
] as readonly Op<unknown>[];

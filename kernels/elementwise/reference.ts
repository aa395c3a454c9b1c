// What the elementwise ops mean. Float64, plain loops, never fast.
import { roundToHalf } from "../../src/tensor/half.ts";
import { broadcastShapes, type DType, sizeOf } from "../../src/tensor/shape.ts";
import { broadcastStrides } from "../merged_axes.ts";
import { NdArray } from "../nd_array.ts";
import type { ActivationFunction } from "./activation_names.ts";
import type { Binary } from "./binary.ts";
import type { Unary } from "./unary.ts";

const BINARY_MEANING: Readonly<Record<Binary, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => (a === b ? 1 : 0),
  less: (a, b) => (a < b ? 1 : 0),
};

export function binaryReference(name: Binary, [a, b]: readonly NdArray[]): NdArray {
  const shape = broadcastShapes(name, { ...a, dtype: "f32" }, { ...b, dtype: "f32" });
  const y = NdArray.zeros(shape);
  const strides = [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)];
  for (let i = 0; i < y.size; i++) {
    const [left, right] = strides.map((own) => offsetOf(i, shape, own));
    y.data[i] = BINARY_MEANING[name](a.data[left], b.data[right]);
  }
  return y;
}

/** Where element `index` of an array of `shape` lies in storage with `strides`. */
function offsetOf(index: number, shape: readonly number[], strides: readonly number[]): number {
  let rest = index;
  let offset = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    offset += (rest % shape[axis]) * strides[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return offset;
}

/**
 * Error function: its series for small |x|, a continued fraction for its complement beyond
 * (Abramowitz and Stegun 7.1.6 and 7.1.14).
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 2) {
    let term = a;
    let total = a;
    for (let n = 1; Math.abs(term) > 1e-18; n++) {
      term *= (2 * a * a) / (2 * n + 1);
      total += term;
    }
    return (Math.sign(x) * 2 * Math.exp(-a * a) * total) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let k = 100; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const normalDensity = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
const normalCumulative = (x: number): number => 0.5 * (1 + erf(x * Math.SQRT1_2));
const tanhArgument = (x: number): number => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);

const UNARY_MEANING: Readonly<Record<Unary, (x: number) => number>> = {
  neg: (x) => -x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  abs: Math.abs,
  square: (x) => x * x,
  sign: Math.sign,
  relu: (x) => Math.max(x, 0),
  gelu: (x) => x * normalCumulative(x),
  gelu_accurate: (x) => 0.5 * x * (1 + Math.tanh(tanhArgument(x))),
  tanh: Math.tanh,
  sigmoid: logistic,
  swish: (x) => x * logistic(x),
  relu_squared: (x) => Math.max(x, 0) ** 2,
  to_f32: (x) => x,
  to_i32: (x) => Math.trunc(x),
};

export const mapReference = (x: NdArray, meaning: (value: number) => number): NdArray =>
  new NdArray(x.shape, x.data.map(meaning));

export const unaryReference = (name: Unary, x: NdArray): NdArray =>
  mapReference(x, UNARY_MEANING[name]);

/** Numbers in the dtype that they are cast to; f32 is what the suite compares with a tolerance. */
export function castReference(dtype: DType, x: NdArray): NdArray {
  if (dtype === "f16") return mapReference(x, roundToHalf);
  return unaryReference(dtype === "i32" ? "to_i32" : "to_f32", x);
}

/** Derivatives: at y for relu, tanh and sigmoid, at x for the others. */
const SLOPE: Readonly<Record<ActivationFunction, (saved: number) => number>> = {
  relu: (y) => (y > 0 ? 1 : 0),
  gelu: (x) => normalCumulative(x) + x * normalDensity(x),
  gelu_accurate: (x) => {
    const t = Math.tanh(tanhArgument(x));
    const inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner;
  },
  tanh: (y) => 1 - y * y,
  sigmoid: (y) => y * (1 - y),
  swish: (x) => logistic(x) * (1 + x * (1 - logistic(x))),
  relu_squared: (x) => 2 * Math.max(x, 0),
};

export function activationGradientReference(
  name: ActivationFunction,
  [saved, dy]: readonly NdArray[],
): NdArray {
  return new NdArray(
    dy.shape,
    dy.data.map((value, i) => value * SLOPE[name](saved.data[i])),
  );
}

export function whereReference([condition, a, b]: readonly NdArray[]): NdArray {
  const full = [condition, a, b].find(({ shape }) => sizeOf(shape) !== 1) ?? condition;
  const y = NdArray.zeros(full.shape);
  const at = (operand: NdArray, i: number): number => operand.data[operand.size === 1 ? 0 : i];
  for (let i = 0; i < y.size; i++) y.data[i] = at(condition, i) !== 0 ? at(a, i) : at(b, i);
  return y;
}

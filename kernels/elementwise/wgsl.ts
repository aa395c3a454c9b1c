// Elementwise kernels for WebGPU.
// Work: one invocation per element; groups past the adapter's limit fold into y.
// Cost: memory-bound; strides of broadcast operands cost four divisions per element.
import { sizeOf, type TensorSpec } from "../../src/tensor/shape.ts";
import { padAxes } from "../merged_axes.ts";
import type { GpuDispatch, GpuFacts, NoAttributes, OpSpec } from "../op.ts";
import {
  arithmeticOf,
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  ERF_WGSL,
  elementWorkgroups,
  packParams,
  TANH_WGSL,
} from "../wgsl.ts";
import type { ActivationGradient } from "./activation.ts";
import type { ActivationFunction } from "./activation_names.ts";
import type { Binary } from "./binary.ts";
import { planBroadcast } from "./broadcast_plan.ts";
import type { Affine, Unary } from "./unary.ts";

const BINARY_EXPRESSION: Readonly<Record<Binary, string>> = {
  add: "left + right",
  sub: "left - right",
  mul: "left * right",
  div: "left / right",
  maximum: "max(left, right)",
  minimum: "min(left, right)",
  equal: "select(0, 1, left == right)",
  less: "select(0, 1, left < right)",
};

export function binaryWgsl(
  name: Binary,
  { inputs, outputs: [y] }: OpSpec<NoAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const { extents, strides } = planBroadcast(name, y.shape, inputs);
  const elements = sizeOf(y.shape);
  const code = `
${declareBindings(
  [
    ["a", arithmeticOf(inputs[0].dtype)],
    ["b", arithmeticOf(inputs[1].dtype)],
    ["y", arithmeticOf(y.dtype)],
  ],
  4,
)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  // Words: elements; extents 1..4; strides of a 0..4; strides of b 0..4.
  let e1 = params[0].y; let e2 = params[0].z; let e3 = params[0].w; let e4 = params[1].x;
  let i4 = i % e4;
  let i3 = (i / e4) % e3;
  let i2 = (i / (e4 * e3)) % e2;
  let i1 = (i / (e4 * e3 * e2)) % e1;
  let i0 = i / (e4 * e3 * e2 * e1);
  let left = a[i0 * params[1].y + i1 * params[1].z + i2 * params[1].w + i3 * params[2].x + i4 * params[2].y];
  let right = b[i0 * params[2].z + i1 * params[2].w + i2 * params[3].x + i3 * params[3].y + i4 * params[3].z];
  y[i] = ${BINARY_EXPRESSION[name]};
}`;
  const [a, b] = strides;
  return {
    code,
    bindings: [{ input: 0 }, { input: 1 }, { output: 0 }],
    params: packParams(
      elements,
      ...padAxes(extents, 1).slice(1),
      ...padAxes(a, 0),
      ...padAxes(b, 0),
    ),
    workgroups: elementWorkgroups(elements, facts),
  };
}

/** Activations shared by the forward and the derivative kernels. */
const LOGISTIC_WGSL = `
fn logistic(x: f32) -> f32 { return 1.0 / (1.0 + exp(-clamp(x, -87.0, 87.0))); }
fn tanhArgument(x: f32) -> f32 { return 1.5957691216057308 * x + 0.07135481282852146 * x * x * x; }
`;

const UNARY_EXPRESSION: Readonly<Record<Unary, string>> = {
  neg: "-v",
  exp: "exp(v)",
  log: "log(v)",
  sqrt: "sqrt(v)",
  reciprocal: "1.0 / v",
  abs: "abs(v)",
  square: "v * v",
  sign: "sign(v)",
  relu: "max(v, 0.0)",
  gelu: "0.5 * v * (1.0 + erf(v * 0.7071067811865476))",
  gelu_accurate: "v * logistic(tanhArgument(v))",
  tanh: "safeTanh(v)",
  sigmoid: "logistic(v)",
  swish: "v * logistic(v)",
  relu_squared: "max(v, 0.0) * max(v, 0.0)",
  to_f32: "f32(v)",
  to_i32: "i32(v)",
};

const MATH = `${ERF_WGSL}${TANH_WGSL}${LOGISTIC_WGSL}`;

/** `activate(v)`, for kernels that end with an activation. */
export const activateWgsl = (name: ActivationFunction): string => `
${MATH}
fn activate(v: f32) -> f32 { return ${UNARY_EXPRESSION[name]}; }
`;

/** y[i] = expression of v = x[i]. */
function mapWgsl(
  expression: string,
  x: TensorSpec,
  y: TensorSpec,
  numbers: readonly { readonly f32: number }[],
  facts: GpuFacts,
): GpuDispatch {
  const elements = sizeOf(x.shape);
  return {
    code: `
${declareBindings(
  [
    ["x", arithmeticOf(x.dtype)],
    ["y", arithmeticOf(y.dtype)],
  ],
  1,
)}
${MATH}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  let v = x[i];
  y[i] = ${expression};
}`,
    bindings: [{ input: 0 }, { output: 0 }],
    params: packParams(elements, ...numbers),
    workgroups: elementWorkgroups(elements, facts),
  };
}

export const unaryWgsl = (
  name: Unary,
  { inputs: [x], outputs: [y] }: OpSpec<unknown>,
  facts: GpuFacts,
): GpuDispatch => mapWgsl(UNARY_EXPRESSION[name], x, y, [], facts);

export const affineWgsl = (
  { attributes: { scale, shift }, inputs: [x], outputs: [y] }: OpSpec<Affine>,
  facts: GpuFacts,
): GpuDispatch =>
  mapWgsl(
    "bitcast<f32>(params[0].y) * v + bitcast<f32>(params[0].z)",
    x,
    y,
    [{ f32: scale }, { f32: shift }],
    facts,
  );

/** Derivatives at s: y for relu, tanh and sigmoid, x for the others. */
const SLOPE: Readonly<Record<ActivationFunction, string>> = {
  relu: "return select(0.0, 1.0, s > 0.0);",
  gelu: `
    let density = 0.3989422804014327 * exp(-0.5 * s * s);
    return 0.5 * (1.0 + erf(s * 0.7071067811865476)) + s * density;`,
  gelu_accurate: `
    let g = logistic(tanhArgument(s));
    let inner = 1.5957691216057308 + 3.0 * 0.07135481282852146 * s * s;
    return g + s * g * (1.0 - g) * inner;`,
  tanh: "return 1.0 - s * s;",
  sigmoid: "return s * (1.0 - s);",
  swish: `
    let g = logistic(s);
    return g * (1.0 + s * (1.0 - g));`,
  relu_squared: "return 2.0 * max(s, 0.0);",
};

export function activationGradientWgsl(
  { attributes: { activation }, inputs: [saved] }: OpSpec<ActivationGradient>,
  facts: GpuFacts,
): GpuDispatch {
  const elements = sizeOf(saved.shape);
  return {
    code: `
${declareBindings(
  [
    ["saved", "f32"],
    ["dy", "f32"],
    ["dx", "f32"],
  ],
  1,
)}
${MATH}
fn slope(s: f32) -> f32 { ${SLOPE[activation]} }
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  dx[i] = dy[i] * slope(saved[i]);
}`,
    bindings: [{ input: 0 }, { input: 1 }, { output: 0 }],
    params: packParams(elements),
    workgroups: elementWorkgroups(elements, facts),
  };
}

export function whereWgsl(
  { inputs, outputs: [y] }: OpSpec<NoAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const elements = sizeOf(y.shape);
  const steps = inputs.map(({ shape }) => (sizeOf(shape) === 1 ? 0 : 1));
  return {
    code: `
${declareBindings(
  [
    ["condition", "i32"],
    ["a", arithmeticOf(y.dtype)],
    ["b", arithmeticOf(y.dtype)],
    ["y", arithmeticOf(y.dtype)],
  ],
  1,
)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  if (condition[i * params[0].y] != 0) { y[i] = a[i * params[0].z]; } else { y[i] = b[i * params[0].w]; }
}`,
    bindings: [{ input: 0 }, { input: 1 }, { input: 2 }, { output: 0 }],
    params: packParams(elements, ...steps),
    workgroups: elementWorkgroups(elements, facts),
  };
}

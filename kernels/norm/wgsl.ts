// Layer norm in WGSL.
//
// Memory: reads the inputs, overwrites the outputs; an output may lie over the input that its op names,
// because a lane writes only elements that it alone reads.
// Work: forward and dh one workgroup per row, the lanes stride over C, by quads where C is a multiple of 4
//   (one draw of dropout serves four elements); sums over rows one invocation per (block, column), then per
//   column, in fixed order. They come before dh, which may overwrite dy.
import { lastOf, rowsOf, type TensorSpec } from "../../src/tensor/shape.ts";
import type { GpuBinding, GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import type { Dropout } from "../random/index.ts";
import { dropoutParams, multiplierWgsl } from "../random/philox_wgsl.ts";
import { type ReductionName, reducingWgsl } from "../reduce_wgsl.ts";
import {
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  foldWorkgroups,
  GROUP_INDEX,
  lanesFor,
  packParams,
} from "../wgsl.ts";
import {
  gradientInputs,
  type LayerNormAttributes,
  type NormGradientAttributes,
  type ResidualNormAttributes,
  rowBlocks,
} from "./shapes.ts";

type Operand = readonly [name: string, type: "f32" | "i32" | "vec4<f32>", binding: GpuBinding];

/** Rows are walked in quads or in single elements; `total(x)` is the sum of one of them. */
const isQuads = (x: TensorSpec): boolean => lastOf(x.shape) % 4 === 0;
const rowType = (x: TensorSpec) => (isQuads(x) ? "vec4<f32>" : "f32");

const TOTAL = {
  quads: "fn total(x: vec4<f32>) -> f32 { return (x.x + x.y) + (x.z + x.w); }",
  elements: "fn total(x: f32) -> f32 { return x; }",
};

const eachElement = (body: string): string => `
  for (var i = lane; i < steps; i = i + LANES) { ${body} }`;

/** The start of a workgroup's row. */
const enterRow = (quads: boolean): string => `
  let row = ${GROUP_INDEX};
  if (row >= params[0].x) { return; }
  let C = params[0].y;
  let steps = C${quads ? " / 4u" : ""};
  let first = row * steps;`;

const keptAt = (quads: boolean): string =>
  quads ? "multipliers(4u * (first + i))" : "multiplier(first + i)";

/** A kernel with a workgroup per row of x. */
function rowKernel(
  x: TensorSpec,
  operands: readonly Operand[],
  params: Uint32Array,
  reductions: readonly ReductionName[],
  functions: string,
  body: string,
  facts: GpuFacts,
): GpuDispatch {
  const quads = isQuads(x);
  const kernel = {
    arrays: operands.map(([name, type]) => [name, type] as const),
    ...{ params: 2, lanes: lanesFor(lastOf(x.shape) / (quads ? 4 : 1)), reductions },
    functions: `${functions}\n${quads ? TOTAL.quads : TOTAL.elements}`,
  };
  return {
    code: `${reducingWgsl(kernel, facts)} {${enterRow(quads)}${body}\n}`,
    bindings: operands.map(([, , binding]) => binding),
    params,
    workgroups: foldWorkgroups(rowsOf(x.shape), facts),
  };
}

/** `multiplier(element)` and `multipliers(element)`, where there is dropout. */
const multiplierOf = (dropout: Dropout | undefined): string =>
  dropout ? multiplierWgsl(["params[1].x", "params[1].y", "params[1].z"]) : "";

function paramsOf(x: TensorSpec, dropout: Dropout | undefined, epsilon = 0): Uint32Array {
  const { perBlock, blocks } = rowBlocks(x);
  return packParams(
    ...[rowsOf(x.shape), lastOf(x.shape), { f32: epsilon }, perBlock],
    ...[...dropoutParams(dropout), blocks],
  );
}

function dispatch(
  operands: readonly Operand[],
  params: Uint32Array,
  body: string,
  workgroups: readonly [number, number, number],
): GpuDispatch {
  const arrays = operands.map(([name, type]) => [name, type] as const);
  return {
    code: `${declareBindings(arrays, 2)}\n${body}`,
    bindings: operands.map(([, , binding]) => binding),
    params,
    workgroups,
  };
}

/** @param h name of the array that is normalised, written by `prepare` where it is not an input. */
function forward(
  x: TensorSpec,
  operands: readonly Operand[],
  params: Uint32Array,
  h: string,
  functions: string,
  prepare: string,
  facts: GpuFacts,
): GpuDispatch {
  const body = `
  var sum = 0.0;${eachElement(`${prepare} sum = sum + total(${h}[first + i]);`)}
  let center = treeSum(lane, sum) / f32(C);
  var squares = 0.0;${eachElement(`let d = ${h}[first + i] - center; squares = squares + total(d * d);`)}
  let factor = 1.0 / sqrt(treeSum(lane, squares) / f32(C) + bitcast<f32>(params[0].z));
  if (lane == 0u) { mean[row] = center; rstd[row] = factor; }${eachElement(
    `y[first + i] = (${h}[first + i] - center) * factor * gain[i] + bias[i];`,
  )}`;
  return rowKernel(x, operands, params, ["treeSum"], functions, body, facts);
}

export function layerNormWgsl(
  { attributes: { epsilon }, inputs: [x] }: OpSpec<LayerNormAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const type = rowType(x);
  const operands: Operand[] = [
    ["x", type, { input: 0 }],
    ["gain", type, { input: 1 }],
    ["bias", type, { input: 2 }],
    ["y", type, { output: 0 }],
    ["mean", "f32", { output: 1 }],
    ["rstd", "f32", { output: 2 }],
  ];
  return forward(x, operands, paramsOf(x, undefined, epsilon), "x", "", "", facts);
}

export function residualDropoutNormWgsl(
  { attributes: { epsilon, dropout }, inputs: [x] }: OpSpec<ResidualNormAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const type = rowType(x);
  const operands: Operand[] = [
    ["x", type, { input: 0 }],
    ["residual", type, { input: 1 }],
    ["gain", type, { input: 2 }],
    ["bias", type, { input: 3 }],
    ["y", type, { output: 0 }],
    ["h", type, { output: 1 }],
    ["mean", "f32", { output: 2 }],
    ["rstd", "f32", { output: 3 }],
  ];
  if (dropout) operands.push(["key", "i32", { input: 4 }]);
  const kept = dropout ? `x[first + i] * ${keptAt(isQuads(x))}` : "x[first + i]";
  const prepare = `h[first + i] = residual[first + i] + ${kept};`;
  const params = paramsOf(x, dropout, epsilon);
  return forward(x, operands, params, "h", multiplierOf(dropout), prepare, facts);
}

export function normGradientWgsl(
  { attributes, inputs: [h] }: OpSpec<NormGradientAttributes>,
  facts: GpuFacts,
): GpuDispatch[] {
  const { dropout } = attributes;
  const at = gradientInputs(attributes);
  const C = lastOf(h.shape);
  const { blocks } = rowBlocks(h);
  const params = paramsOf(h, dropout);
  const partials: Operand = [
    "partials",
    "f32",
    { shared: "partials", bytes: Math.max(4, blocks * 2 * C * 4) },
  ];
  const operands: Operand[] = [
    ["h", "f32", { input: 0 }],
    ["mean", "f32", { input: 2 }],
    ["rstd", "f32", { input: 3 }],
    ["dy", "f32", { input: 4 }],
  ];
  const blockSums = `${ENTRY} {
  let index = ${ELEMENT_INDEX};
  let C = params[0].y;
  if (index >= params[1].w * C) { return; }
  let block = index / C;
  let c = index % C;
  var dgain = 0.0;
  var dbias = 0.0;
  let last = min(params[0].x, (block + 1u) * params[0].w);
  for (var row = block * params[0].w; row < last; row = row + 1u) {
    let d = dy[row * C + c];
    dgain = dgain + d * (h[row * C + c] - mean[row]) * rstd[row];
    dbias = dbias + d;
  }
  partials[block * 2u * C + c] = dgain;
  partials[(block * 2u + 1u) * C + c] = dbias;
}`;
  const columnSums = `${ENTRY} {
  let c = ${ELEMENT_INDEX};
  let C = params[0].y;
  if (c >= C) { return; }
  var gainSum = 0.0;
  var biasSum = 0.0;
  for (var block = 0u; block < params[1].w; block = block + 1u) {
    gainSum = gainSum + partials[block * 2u * C + c];
    biasSum = biasSum + partials[(block * 2u + 1u) * C + c];
  }
  dgain[c] = gainSum;
  dbias[c] = biasSum;
}`;
  const quads = isQuads(h);
  const rowGradient = `
  let center = mean[row];
  let factor = rstd[row];
  var own = vec2<f32>();${eachElement(`let g = dy[first + i] * gain[i];
    own = own + vec2<f32>(total(g), total(g * (h[first + i] - center)) * factor);`)}
  let means = treeSums(lane, own) / f32(C);${eachElement(`
    let n = (h[first + i] - center) * factor;
    let d = factor * (dy[first + i] * gain[i] - means.x - n * means.y)${at.skip === undefined ? "" : " + skip[first + i]"};
    dh[first + i] = d;${dropout ? `\n    dx[first + i] = d * ${keptAt(quads)};` : ""}`)}`;
  const type = rowType(h);
  const gradients: Operand[] = [
    ["h", type, { input: 0 }],
    ["mean", "f32", { input: 2 }],
    ["rstd", "f32", { input: 3 }],
    ["dy", type, { input: 4 }],
    ["gain", type, { input: 1 }],
  ];
  if (at.skip !== undefined) gradients.push(["skip", type, { input: at.skip }]);
  if (at.key !== undefined) gradients.push(["key", "i32", { input: at.key }]);
  gradients.push(["dh", type, { output: 0 }]);
  if (dropout) gradients.push(["dx", type, { output: 3 }]);
  const sums: Operand[] = [
    partials,
    ["dgain", "f32", { output: 1 }],
    ["dbias", "f32", { output: 2 }],
  ];
  return [
    dispatch([...operands, partials], params, blockSums, elementWorkgroups(blocks * C, facts)),
    dispatch(sums, params, columnSums, elementWorkgroups(C, facts)),
    rowKernel(h, gradients, params, ["treeSums"], multiplierOf(dropout), rowGradient, facts),
  ];
}

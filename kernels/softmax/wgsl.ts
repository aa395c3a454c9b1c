// Softmax in WGSL.
//
// Memory: reads the inputs, overwrites the output, which may be the first input: a lane writes only
// where it alone reads, after the row's sums are known.
// Work: one workgroup per row, the lanes stride over C; reductions in fixed order.
// Cost: softmax and its logarithm read x twice, a log-sum-exp once.
import { lastOf, rowsOf } from "../../src/tensor/shape.ts";
import type { GpuDispatch, GpuFacts, NoAttributes, OpSpec } from "../op.ts";
import {
  JOIN_RUNNING_SUMS,
  meetWgsl,
  type ReductionName,
  RUNNING_SUM,
  reducingWgsl,
} from "../reduce_wgsl.ts";
import { foldWorkgroups, GROUP_INDEX, lanesFor, packParams } from "../wgsl.ts";

const eachElement = (body: string): string => `
  for (var i = lane; i < C; i = i + LANES) { ${body} }`;

const LOG_SUM_EXP = `${RUNNING_SUM}${eachElement(meetWgsl("x[first + i]"))}${JOIN_RUNNING_SUMS}`;

const SUM_AND_MAX = ["treeMax", "treeSum"] as const;

/** @param names of the bindings: the inputs, then the output. */
function rowKernel(names: readonly string[], reductions: readonly ReductionName[], body: string) {
  return ({ inputs }: OpSpec<NoAttributes>, facts: GpuFacts): GpuDispatch => {
    const [{ shape }] = inputs;
    const rows = shape.length === 0 ? 1 : rowsOf(shape);
    const lanes = lanesFor(lastOf(shape));
    const arrays = names.map((name) => [name, "f32"] as const);
    return {
      code: `${reducingWgsl({ arrays, params: 1, lanes, reductions }, facts)} {
  let row = ${GROUP_INDEX};
  if (row >= params[0].x) { return; }
  let C = params[0].y;
  let first = row * C;
${body}
}`,
      bindings: [...inputs.map((_, input) => ({ input })), { output: 0 }],
      params: packParams(rows, lastOf(shape)),
      workgroups: foldWorkgroups(rows, facts),
    };
  };
}

export const softmaxWgsl = rowKernel(
  ["x", "y"],
  SUM_AND_MAX,
  `${LOG_SUM_EXP}${eachElement("y[first + i] = exp(x[first + i] - top) / total;")}`,
);

export const logSoftmaxWgsl = rowKernel(
  ["x", "y"],
  SUM_AND_MAX,
  `${LOG_SUM_EXP}
  let rest = log(total);${eachElement("y[first + i] = (x[first + i] - top) - rest;")}`,
);

export const logSumExpWgsl = rowKernel(
  ["x", "y"],
  SUM_AND_MAX,
  `${LOG_SUM_EXP}
  if (lane == 0u) { y[row] = top + log(total); }`,
);

export const softmaxGradientWgsl = rowKernel(
  ["y", "dy", "dx"],
  ["treeSum"],
  `
  var sum = 0.0;${eachElement("sum = sum + y[first + i] * dy[first + i];")}
  let dot = treeSum(lane, sum);${eachElement("dx[first + i] = y[first + i] * (dy[first + i] - dot);")}`,
);

export const logSoftmaxGradientWgsl = rowKernel(
  ["y", "dy", "dx"],
  ["treeSum"],
  `
  var sum = 0.0;${eachElement("sum = sum + dy[first + i];")}
  let total = treeSum(lane, sum);${eachElement("dx[first + i] = dy[first + i] - exp(y[first + i]) * total;")}`,
);

export const logSumExpGradientWgsl = rowKernel(
  ["x", "lse", "dy", "dx"],
  [],
  eachElement("dx[first + i] = exp(x[first + i] - lse[row]) * dy[row];"),
);

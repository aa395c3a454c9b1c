// The k best of each row in WGSL.
//
// Memory: reads x and bias, overwrites values, indices and lse.
// Work: one workgroup per row; k rounds, each finds the best element behind the one before (in value, then
// index) by a tree over 256 lanes. Ties go to the lower index in the tree too.
// Cost: k reads of the row; a threshold scan would be the way up.
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import {
  declareBindings,
  entryWgsl,
  foldWorkgroups,
  GROUP_INDEX,
  lanesFor,
  packParams,
  TREE_MAX_WGSL,
  TREE_SUM_WGSL,
} from "../wgsl.ts";
import type { LogSoftmaxTopKAttributes, TopKAttributes } from "./index.ts";

/** Marks a lane that found nothing. */
const NONE = "0xffffffffu";

const BEST = `
var<workgroup> bestValues: array<f32, LANES>;
var<workgroup> bestIndices: array<u32, LANES>;
/** Whether (a, i) comes before (b, j): larger, or equal and earlier. NONE comes last. */
fn precedes(a: f32, i: u32, b: f32, j: u32) -> bool {
  if (i == ${NONE}) { return false; }
  if (j == ${NONE}) { return true; }
  return a > b || (a == b && i < j);
}
`;

/** Rounds over `candidate(base, i)`; `result` is stored in place of the bare value. */
const rounds = (result: string): string => `
  var lastValue = 0.0;
  var lastIndex = ${NONE};
  for (var round = 0u; round < params[0].z; round = round + 1u) {
    var value = 0.0;
    var index = ${NONE};
    for (var i = lane; i < V; i = i + LANES) {
      let x = candidate(base, i);
      let left = lastIndex == ${NONE} || precedes(lastValue, lastIndex, x, i);
      if (left && precedes(x, i, value, index)) { value = x; index = i; }
    }
    bestValues[lane] = value;
    bestIndices[lane] = index;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half = half / 2u) {
      if (lane < half) {
        let other = lane + half;
        if (precedes(bestValues[other], bestIndices[other], bestValues[lane], bestIndices[lane])) {
          bestValues[lane] = bestValues[other];
          bestIndices[lane] = bestIndices[other];
        }
      }
      workgroupBarrier();
    }
    lastValue = bestValues[0];
    lastIndex = bestIndices[0];
    workgroupBarrier();
    if (lane == 0u) {
      let at = row * params[0].z + round;
      values[at] = ${result};
      indices[at] = i32(lastIndex);
    }
  }`;

const ROW = `
  let row = ${GROUP_INDEX};
  if (row >= params[0].x) { return; }
  let V = params[0].y;
  let base = row * V;`;

export function topKWgsl(
  { attributes: { k }, inputs: [x] }: OpSpec<TopKAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const [N, V] = x.shape;
  const arrays = [
    ["x", "f32"],
    ["values", "f32"],
    ["indices", "i32"],
  ] as const;
  const code = `${declareBindings(arrays, 1)}
${BEST}
fn candidate(base: u32, i: u32) -> f32 { return x[base + i]; }
${entryWgsl(lanesFor(V))} {${ROW}${rounds("lastValue")}
}`;
  return {
    code,
    bindings: [{ input: 0 }, { output: 0 }, { output: 1 }],
    params: packParams(N, V, k),
    workgroups: foldWorkgroups(N, facts),
  };
}

export function logSoftmaxTopKWgsl(
  { attributes: { k, temperature }, inputs }: OpSpec<LogSoftmaxTopKAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const [N, V] = inputs[0].shape;
  const arrays: [string, "f32" | "i32"][] = [["x", "f32"]];
  if (inputs.length > 1) arrays.push(["bias", "f32"]);
  arrays.push(["values", "f32"], ["indices", "i32"], ["lse", "f32"]);
  const code = `${declareBindings(arrays, 1)}
${BEST}${TREE_MAX_WGSL}${TREE_SUM_WGSL}
fn scaled(base: u32, i: u32) -> f32 { return x[base + i] * bitcast<f32>(params[0].w); }
fn candidate(base: u32, i: u32) -> f32 {
  return scaled(base, i)${inputs.length > 1 ? " + bias[i]" : ""};
}
${entryWgsl(lanesFor(V))} {${ROW}
  var highest = -3.0e38;
  for (var i = lane; i < V; i = i + LANES) { highest = max(highest, scaled(base, i)); }
  let top = treeMax(lane, highest);
  var sum = 0.0;
  for (var i = lane; i < V; i = i + LANES) { sum = sum + exp(scaled(base, i) - top); }
  let rest = log(treeSum(lane, sum));
  if (lane == 0u) { lse[row] = top + rest; }${rounds("lastValue - top - rest")}
}`;
  return {
    code,
    bindings: [
      ...inputs.map((_, input) => ({ input })),
      ...[0, 1, 2].map((output) => ({ output })),
    ],
    params: packParams(N, V, k, { f32: 1 / temperature }),
    workgroups: foldWorkgroups(N, facts),
  };
}

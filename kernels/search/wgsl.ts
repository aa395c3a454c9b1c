// The k best of each row in WGSL.
//
// Memory: reads x and bias, overwrites values, indices and lse.
// Work: one workgroup per row. Every lane knows the best of its own elements; in each of k rounds the
//   best of all lanes is taken, and the lane that had it looks for its next. Of equal elements the one with
//   the lower index comes first.
// Cost: the row is read once (twice with a log-sum-exp), and a lane's share of it once more per round.
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { JOIN_RUNNING_SUMS, meetWgsl, RUNNING_SUM, reducingWgsl } from "../reduce_wgsl.ts";
import { foldWorkgroups, GROUP_INDEX, lanesFor, packParams } from "../wgsl.ts";
import type { LogSoftmaxTopKAttributes, TopKAttributes } from "./index.ts";

/** Marks a lane that has nothing left. */
const NONE = "0xffffffffu";

/** Numbers as unsigned integers in the same order, none of them 0. Both zeros are equal. */
const RANK = `
fn rankOf(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}
`;

/** Rounds over `candidate(base, i)`; `result` is stored, an expression of `best`. */
const rounds = (result: string): string => `
  var rank = 0u;
  var index = ${NONE};
  var takenRank = 0u;
  var taken = ${NONE};
  for (var round = 0u; round < params[0].z; round = round + 1u) {
    if (index == taken) {
      rank = 0u;
      index = ${NONE};
      for (var i = lane; i < V; i = i + LANES) {
        let x = rankOf(candidate(base, i));
        let left = round == 0u || x < takenRank || (x == takenRank && i > taken);
        if (left && x > rank) { rank = x; index = i; }
      }
    }
    takenRank = treeHighest(lane, rank);
    taken = treeLowest(lane, select(${NONE}, index, rank == takenRank));
    if (lane == 0u) {
      let at = row * params[0].z + round;
      let best = candidate(base, taken);
      values[at] = ${result};
      indices[at] = i32(taken);
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
  const kernel = {
    ...{
      arrays,
      params: 1,
      lanes: lanesFor(V),
      reductions: ["treeHighest", "treeLowest"] as const,
    },
    functions: `${RANK}
fn candidate(base: u32, i: u32) -> f32 { return x[base + i]; }`,
  };
  const code = `${reducingWgsl(kernel, facts)} {${ROW}${rounds("best")}
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
  const kernel = {
    ...{ arrays, params: 1, lanes: lanesFor(V) },
    reductions: ["treeMax", "treeSum", "treeHighest", "treeLowest"] as const,
    functions: `${RANK}
fn scaled(base: u32, i: u32) -> f32 { return x[base + i] * bitcast<f32>(params[0].w); }
fn candidate(base: u32, i: u32) -> f32 {
  return scaled(base, i)${inputs.length > 1 ? " + bias[i]" : ""};
}`,
  };
  const code = `${reducingWgsl(kernel, facts)} {${ROW}${RUNNING_SUM}
  for (var i = lane; i < V; i = i + LANES) { ${meetWgsl("scaled(base, i)")} }${JOIN_RUNNING_SUMS}
  let rest = log(total);
  if (lane == 0u) { lse[row] = top + rest; }${rounds("best - top - rest")}
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

// Attention of one decoding step over a cache, in WGSL.
//
// Memory: reads the inputs, overwrites out.
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { JOIN_RUNNING_SUMS, meetWgsl, RUNNING_SUM, reducingWgsl } from "../reduce_wgsl.ts";
import { foldWorkgroups, GROUP_INDEX, lanesFor, packParams } from "../wgsl.ts";
import type { CachedAttributes } from "./cached.ts";

/** One workgroup per (row, head); the lanes share the past, then the columns. */
export function cachedWgsl(
  { attributes: { heads, scale }, inputs }: OpSpec<CachedAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const [R, E] = inputs[0].shape;
  const L = inputs[1].shape[1];
  const names = ["q", "keys", "values", "ancestors", "count", "out"] as const;
  const arrays = names.map(
    (name) => [name, name === "ancestors" || name === "count" ? "i32" : "f32"] as const,
  );
  const functions = `
fn at(r: u32, j: u32, h: u32) -> u32 {
  let L = params[0].y;
  return ((u32(ancestors[r * L + j]) * L + j) * params[0].z + h) * params[0].w;
}
fn score(r: u32, h: u32, j: u32) -> f32 {
  let D = params[0].w;
  let first = (r * params[0].z + h) * D;
  let to = at(r, j, h);
  var sum = 0.0;
  for (var d = 0u; d < D; d = d + 1u) { sum = sum + q[first + d] * keys[to + d]; }
  return sum * bitcast<f32>(params[1].x);
}
var<workgroup> cells: array<f32, LANES>;
var<workgroup> positions: u32;
`;
  const lanes = lanesFor(Math.max(L, E / heads));
  const reductions = ["treeMax", "treeSum"] as const;
  const code = `${reducingWgsl({ arrays, params: 2, lanes, reductions, functions }, facts)} {
  let unit = ${GROUP_INDEX};
  if (unit >= params[0].x * params[0].z) { return; }
  let h = unit % params[0].z;
  let r = unit / params[0].z;
  let D = params[0].w;
  if (lane == 0u) { positions = min(u32(count[0]), params[0].y); }
  let n = workgroupUniformLoad(&positions);${RUNNING_SUM}
  for (var j = lane; j < n; j = j + LANES) { ${meetWgsl("score(r, h, j)")} }${JOIN_RUNNING_SUMS}
  for (var base = 0u; base < D; base = base + LANES) {
    let d = base + lane;
    var mixed = 0.0;
    for (var first = 0u; first < n; first = first + LANES) {
      if (first + lane < n) { cells[lane] = exp(score(r, h, first + lane) - top) / total; }
      workgroupBarrier();
      if (d < D) {
        for (var c = 0u; c < min(LANES, n - first); c = c + 1u) {
          mixed = mixed + cells[c] * values[at(r, first + c, h) + d];
        }
      }
      workgroupBarrier();
    }
    if (d < D) { out[(r * params[0].z + h) * D + d] = mixed; }
  }
}`;
  return {
    code,
    bindings: [...[0, 1, 2, 3, 4].map((input) => ({ input })), { output: 0 }],
    params: packParams(R, L, heads, E / heads, { f32: scale }, 0, 0, 0),
    workgroups: foldWorkgroups(R * heads, facts),
  };
}

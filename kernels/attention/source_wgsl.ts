// Attention of one decoding step to the sources, in WGSL.
//
// Memory: reads the inputs, overwrites out.
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { JOIN_RUNNING_SUMS, meetWgsl, RUNNING_SUM, reducingWgsl } from "../reduce_wgsl.ts";
import { foldWorkgroups, GROUP_INDEX, lanesFor, packParams } from "../wgsl.ts";
import type { SourceAttributes } from "./source.ts";

/** One workgroup per (row, head); the lanes share the positions, then the columns. */
export function sourceWgsl(
  { attributes: { heads, scale, widest }, inputs }: OpSpec<SourceAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const [R, E] = inputs[0].shape;
  const [B] = inputs[4].shape;
  const arrays = [
    ...(["q", "keys", "values"] as const).map((name) => [name, "f32"] as const),
    ...(["padding", "slots", "width"] as const).map((name) => [name, "i32"] as const),
    ["out", "f32"] as const,
  ];
  const functions = `
fn score(r: u32, h: u32, slot: u32, j: u32, S: u32) -> f32 {
  let D = params[0].w;
  let E = params[0].z * D;
  let first = r * E + h * D;
  let to = (slot * E + h * D) * S + j;
  var sum = 0.0;
  for (var d = 0u; d < D; d = d + 1u) { sum = sum + q[first + d] * keys[to + d * S]; }
  return sum * bitcast<f32>(params[1].x);
}
var<workgroup> cells: array<f32, LANES>;
var<workgroup> positions: u32;
var<workgroup> place: u32;
`;
  const lanes = lanesFor(Math.max(widest, E / heads));
  const reductions = ["treeMax", "treeSum"] as const;
  const code = `${reducingWgsl({ arrays, params: 2, lanes, reductions, functions }, facts)} {
  let unit = ${GROUP_INDEX};
  if (unit >= params[0].x * params[0].z) { return; }
  let h = unit % params[0].z;
  let r = unit / params[0].z;
  let D = params[0].w;
  let E = params[0].z * D;
  if (lane == 0u) {
    positions = min(u32(width[0]), params[1].y);
    place = u32(slots[r / params[0].y]);
  }
  let n = workgroupUniformLoad(&positions);
  let slot = workgroupUniformLoad(&place);${RUNNING_SUM}
  for (var j = lane; j < n; j = j + LANES) {
    if (padding[slot * n + j] != 0) { continue; }
    ${meetWgsl("score(r, h, slot, j, n)")}
  }${JOIN_RUNNING_SUMS}
  for (var base = 0u; base < D; base = base + LANES) {
    let d = base + lane;
    var mixed = 0.0;
    for (var first = 0u; first < n; first = first + LANES) {
      let j = first + lane;
      cells[lane] = 0.0;
      if (j < n) {
        if (padding[slot * n + j] == 0) { cells[lane] = exp(score(r, h, slot, j, n) - top) / total; }
      }
      workgroupBarrier();
      if (d < D) {
        for (var c = 0u; c < min(LANES, n - first); c = c + 1u) {
          mixed = mixed + cells[c] * values[(slot * n + first + c) * E + h * D + d];
        }
      }
      workgroupBarrier();
    }
    if (d < D) { out[r * E + h * D + d] = mixed; }
  }
}`;
  return {
    code,
    bindings: [...[0, 1, 2, 3, 4, 5].map((input) => ({ input })), { output: 0 }],
    params: packParams(R, B > 0 ? R / B : 1, heads, E / heads, { f32: scale }, widest, 0, 0),
    workgroups: foldWorkgroups(R * heads, facts),
  };
}

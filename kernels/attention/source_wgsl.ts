// Attention of one decoding step to the sources, in WGSL.
//
// Memory: reads the inputs, overwrites out.
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { foldWorkgroups, packParams } from "../wgsl.ts";
import type { SourceAttributes } from "./source.ts";
import { stepWgsl } from "./step_wgsl.ts";

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
var<workgroup> place: u32;
`;
  const text = {
    ...{ arrays, functions, score: "score(r, h, slot, j, n)" },
    enter: `
    positions = min(u32(width[0]), params[1].y);
    place = u32(slots[r / params[0].y]);
  `,
    load: `
  let slot = workgroupUniformLoad(&place);`,
    counts: "padding[slot * n + j] == 0",
    value: "(slot * n + j) * E + h * D",
  };
  const code = stepWgsl(text, widest, E / heads, facts);
  return {
    code,
    bindings: [...[0, 1, 2, 3, 4, 5].map((input) => ({ input })), { output: 0 }],
    params: packParams(R, B > 0 ? R / B : 1, heads, E / heads, { f32: scale }, widest, 0, 0),
    workgroups: foldWorkgroups(R * heads, facts),
  };
}

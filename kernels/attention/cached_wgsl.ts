// Attention of one decoding step over a cache, in WGSL.
//
// Memory: reads the inputs, overwrites out.
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { foldWorkgroups, packParams } from "../wgsl.ts";
import type { CachedAttributes } from "./cached.ts";
import { stepWgsl } from "./step_wgsl.ts";

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
`;
  const text = {
    ...{ arrays, functions, score: "score(r, h, j)", value: "at(r, j, h)" },
    enter: "positions = min(u32(count[0]), params[0].y);",
  };
  const code = stepWgsl(text, L, E / heads, facts);
  return {
    code,
    bindings: [...[0, 1, 2, 3, 4].map((input) => ({ input })), { output: 0 }],
    params: packParams(R, L, heads, E / heads, { f32: scale }, 0, 0, 0),
    workgroups: foldWorkgroups(R * heads, facts),
  };
}

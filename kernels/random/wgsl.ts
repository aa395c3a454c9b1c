// Dropout for WebGPU.
// Work: one invocation per element, which draws its own word.
import { sizeOf } from "../../src/tensor/shape.ts";
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { declareBindings, ELEMENT_INDEX, ENTRY, elementWorkgroups, packParams } from "../wgsl.ts";
import type { Dropout } from "./index.ts";
import { dropThreshold } from "./philox.ts";
import { PHILOX_WGSL } from "./philox_wgsl.ts";

/** y = dropout(x), plus the residual in input 1 where there is one; the key is the last input. */
export function dropoutWgsl(
  { attributes: { p, stream }, inputs }: OpSpec<Dropout>,
  residual: boolean,
  facts: GpuFacts,
): GpuDispatch {
  const elements = sizeOf(inputs[0].shape);
  const bases = residual ? [["base", "f32"] as const] : [];
  const code = `
${declareBindings([["x", "f32"], ...bases, ["key", "i32"], ["y", "f32"]], 1)}
${PHILOX_WGSL}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  let m = dropoutMultiplier(
    i, u32(key[0]), params[0].y, u32(key[1]), u32(key[2]), params[0].z, bitcast<f32>(params[0].w),
  );
  y[i] = ${residual ? "base[i] + " : ""}x[i] * m;
}`;
  return {
    code,
    bindings: [...inputs.map((_, input) => ({ input })), { output: 0 }],
    params: packParams(elements, stream >>> 0, dropThreshold(p), { f32: 1 / (1 - p) }),
    workgroups: elementWorkgroups(elements, facts),
  };
}

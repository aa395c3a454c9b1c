// Dropout for WebGPU.
// Work: one invocation per four elements, which share a draw, where their number is a multiple of 4; else one
//   per element.
import { sizeOf } from "../../src/tensor/shape.ts";
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import {
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  flatWalk,
  packParams,
} from "../wgsl.ts";
import type { Dropout } from "./index.ts";
import { dropoutParams, multiplierWgsl } from "./philox_wgsl.ts";

/** y = dropout(x), plus the residual in input 1 where there is one; the key is the last input. */
export function dropoutWgsl(
  { attributes, inputs }: OpSpec<Dropout>,
  residual: boolean,
  facts: GpuFacts,
): GpuDispatch {
  const { quads, type, steps } = flatWalk(sizeOf(inputs[0].shape));
  const bases = residual ? [["base", type] as const] : [];
  const code = `
${declareBindings([["x", type], ...bases, ["key", "i32"], ["y", type]], 1)}
${multiplierWgsl(["params[0].y", "params[0].z", "params[0].w"])}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  y[i] = ${residual ? "base[i] + " : ""}x[i] * ${quads ? "multipliers(4u * i)" : "multiplier(i)"};
}`;
  return {
    code,
    bindings: [...inputs.map((_, input) => ({ input })), { output: 0 }],
    params: packParams(steps, ...dropoutParams(attributes)),
    workgroups: elementWorkgroups(steps, facts),
  };
}

// Position numbers for WebGPU.
// Work: one invocation per row.
import { lastOf, rowsOf } from "../../src/tensor/shape.ts";
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { declareBindings, ELEMENT_INDEX, ENTRY, elementWorkgroups, packParams } from "../wgsl.ts";
import type { Positions } from "./index.ts";

export function positionsWgsl(
  { attributes: { padding }, inputs: [{ shape }] }: OpSpec<Positions>,
  facts: GpuFacts,
): GpuDispatch {
  const rows = rowsOf(shape);
  const code = `
${declareBindings(
  [
    ["tokens", "i32"],
    ["numbers", "i32"],
  ],
  1,
)}
${ENTRY} {
  let row = ${ELEMENT_INDEX};
  if (row >= params[0].x) { return; }
  let padding = i32(params[0].z);
  var count = padding;
  for (var i = row * params[0].y; i < (row + 1u) * params[0].y; i = i + 1u) {
    if (tokens[i] != padding) {
      count = count + 1;
      numbers[i] = count;
    } else {
      numbers[i] = padding;
    }
  }
}`;
  return {
    code,
    bindings: [{ input: 0 }, { output: 0 }],
    params: packParams(rows, lastOf(shape), padding),
    workgroups: elementWorkgroups(rows, facts),
  };
}

// Memory: reads x, overwrites y; y may be x.
// Work: one invocation per element; groups past the adapter's limit fold into y.
// Cost: 8 bytes moved per element.
import type { GpuDispatch, GpuFacts, NoAttributes, OpSpec } from "../../../kernels/op.ts";
import {
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  packParams,
} from "../../../kernels/wgsl.ts";
import { sizeOf } from "../../../src/tensor/shape.ts";

const code = `
${declareBindings(
  [
    ["x", "f32"],
    ["y", "f32"],
  ],
  1,
)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  y[i] = x[i] / (1.0 + abs(x[i]));
}`;

export function softsignWgsl({ inputs: [x] }: OpSpec<NoAttributes>, facts: GpuFacts): GpuDispatch {
  const elements = sizeOf(x.shape);
  return {
    code,
    bindings: [{ input: 0 }, { output: 0 }],
    params: packParams(elements),
    workgroups: elementWorkgroups(elements, facts),
  };
}

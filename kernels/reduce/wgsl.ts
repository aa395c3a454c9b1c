// Reductions for WebGPU; x is seen as (outer, length, inner).
// Work: one workgroup per row in fixed order, one invocation per column, or blocks of a
//   fixed length whose parts one workgroup joins.
import { sizeOf } from "../../src/tensor/shape.ts";
import type { GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { LOWEST, reducingWgsl } from "../reduce_wgsl.ts";
import {
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  foldWorkgroups,
  GROUP_INDEX,
  lanesFor,
  packParams,
} from "../wgsl.ts";
import { BLOCK, type Kind, type Reduction, reductionExtents } from "./reduce.ts";

const jointOf = (kind: Kind): string => (kind === "max" ? "max(a, b)" : "a + b");
const termOf = (kind: Kind): string => (kind === "square_sum" ? "v * v" : "v");
const startOf = (kind: Kind): string => (kind === "max" ? LOWEST : "0.0");

const functions = (kind: Kind): string => `
fn join(a: f32, b: f32) -> f32 { return ${jointOf(kind)}; }
fn term(v: f32) -> f32 { return ${termOf(kind)}; }
`;

export function reduceWgsl(
  kind: Kind,
  { attributes, inputs: [x] }: OpSpec<Reduction>,
  facts: GpuFacts,
): readonly GpuDispatch[] {
  const { outer, length, inner } = reductionExtents(attributes, x.shape);
  const whole = { input: 0 } as const;
  const result = { output: 0 } as const;
  if (outer === 1 && inner === 1) {
    const blocks = Math.max(1, Math.ceil(sizeOf(x.shape) / BLOCK));
    const parts = { shared: "parts", bytes: blocks * 4 } as const;
    return [
      {
        code: spanWgsl(kind, BLOCK, facts),
        bindings: [whole, parts],
        params: packParams(blocks, BLOCK, length),
        workgroups: foldWorkgroups(blocks, facts),
      },
      {
        // Parts of squares are squares already.
        code: spanWgsl(kind === "square_sum" ? "sum" : kind, blocks, facts),
        bindings: [parts, result],
        params: packParams(1, blocks, blocks),
        workgroups: [1, 1, 1],
      },
    ];
  }
  if (inner === 1) {
    return [
      {
        code: spanWgsl(kind, length, facts),
        bindings: [whole, result],
        params: packParams(outer, length, outer * length),
        workgroups: foldWorkgroups(outer, facts),
      },
    ];
  }
  return [
    {
      code: columnsWgsl(kind),
      bindings: [whole, result],
      params: packParams(outer * inner, length, inner),
      workgroups: elementWorkgroups(outer * inner, facts),
    },
  ];
}

/** y[s] from x[s length, (s + 1) length), cut at the end of x. params: spans, length, elements. */
function spanWgsl(kind: Kind, length: number, facts: GpuFacts): string {
  const joined = kind === "max" ? "treeMax" : "treeSum";
  const arrays = [
    ["x", "f32"],
    ["y", "f32"],
  ] as const;
  const lanes = lanesFor(length);
  const kernel = { arrays, params: 1, lanes, reductions: [joined] as const };
  return `${reducingWgsl({ ...kernel, functions: functions(kind) }, facts)} {
  let span = ${GROUP_INDEX};
  let first = span * params[0].y;
  let last = min(first + params[0].y, params[0].z);
  var own = ${startOf(kind)};
  for (var i = first + lane; i < last; i = i + LANES) { own = join(own, term(x[i])); }
  let total = ${joined}(lane, own);
  if (lane == 0u && span < params[0].x) { y[span] = total; }
}`;
}

/** y[o, i] over l of x[o, l, i]. params: columns, length, inner. */
const columnsWgsl = (kind: Kind): string => `
${declareBindings(
  [
    ["x", "f32"],
    ["y", "f32"],
  ],
  1,
)}
${functions(kind)}
${ENTRY} {
  let column = ${ELEMENT_INDEX};
  if (column >= params[0].x) { return; }
  let inner = params[0].z;
  let base = (column / inner) * params[0].y * inner + column % inner;
  var total = ${startOf(kind)};
  for (var l = 0u; l < params[0].y; l = l + 1u) { total = join(total, term(x[base + l * inner])); }
  y[column] = total;
}`;

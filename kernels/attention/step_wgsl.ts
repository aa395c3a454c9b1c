// What the kernels of one decoding step have in common: a row's attention, one head at a time.
//
// Work: one workgroup per (row, head); the lanes share the positions, then the columns.
import type { GpuFacts } from "../op.ts";
import { JOIN_RUNNING_SUMS, meetWgsl, RUNNING_SUM, reducingWgsl } from "../reduce_wgsl.ts";
import { GROUP_INDEX, lanesFor } from "../wgsl.ts";

/** WGSL in which r is the row, h the head, D its width and E that of all; params[0] is rows, _, heads, D. */
export interface StepText {
  readonly arrays: Parameters<typeof reducingWgsl>[0]["arrays"];
  /** `score(...)`, what it calls, and variables of the workgroup. */
  readonly functions: string;
  /** Sets the workgroup's `positions`, by one lane. */
  readonly enter: string;
  /** Numbers that are equal in the workgroup, from what `enter` has set. */
  readonly load?: string;
  /** Whether position j counts; by default each does. */
  readonly counts?: string;
  /** Score of position j. */
  readonly score: string;
  /** First element of the values of position j. */
  readonly value: string;
}

/** @param widest most positions. @param D width of a head. */
export function stepWgsl(text: StepText, widest: number, D: number, facts: GpuFacts): string {
  const { arrays, enter, load = "", counts = "true", score, value } = text;
  const functions = `${text.functions}
var<workgroup> cells: array<f32, LANES>;
var<workgroup> positions: u32;
`;
  const lanes = lanesFor(Math.max(widest, D));
  const reductions = ["treeMax", "treeSum"] as const;
  return `${reducingWgsl({ arrays, params: 2, lanes, reductions, functions }, facts)} {
  let unit = ${GROUP_INDEX};
  if (unit >= params[0].x * params[0].z) { return; }
  let h = unit % params[0].z;
  let r = unit / params[0].z;
  let D = params[0].w;
  let E = params[0].z * D;
  if (lane == 0u) { ${enter} }
  let n = workgroupUniformLoad(&positions);${load}${RUNNING_SUM}
  for (var j = lane; j < n; j = j + LANES) {
    if (${counts}) { ${meetWgsl(score)} }
  }${JOIN_RUNNING_SUMS}
  for (var base = 0u; base < D; base = base + LANES) {
    let d = base + lane;
    var mixed = 0.0;
    for (var first = 0u; first < n; first = first + LANES) {
      cells[lane] = 0.0;
      if (first + lane < n) {
        let j = first + lane;
        if (${counts}) { cells[lane] = exp(${score} - top) / total; }
      }
      workgroupBarrier();
      if (d < D) {
        for (var c = 0u; c < min(LANES, n - first); c = c + 1u) {
          let j = first + c;
          mixed = mixed + cells[c] * values[${value} + d];
        }
      }
      workgroupBarrier();
    }
    if (d < D) { out[r * E + h * D + d] = mixed; }
  }
}`;
}

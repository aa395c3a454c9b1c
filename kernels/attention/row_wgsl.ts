// Attention in WGSL row by row, for any width. Every kernel is one of four: the log-sum-exp of a row
// of scores, a sum per row, a mix of rows (out, dq, dk, dv), or the mean of probabilities. Scores are
// computed where they are used.
//
// Memory: reads the inputs, overwrites the outputs; nothing of size T x S but attentionWeights' result.
// Work: one workgroup per (b, h, row) for the first and third kind, one invocation per element else.
// Cost: the first mix of a row costs T S D products again; tiled_wgsl.ts does better where it fits.
import type { GpuBinding, GpuDispatch, GpuFacts } from "../op.ts";
import { dropoutParams, multiplierWgsl } from "../random/philox_wgsl.ts";
import { JOIN_RUNNING_SUMS, meetWgsl, RUNNING_SUM, reducingWgsl } from "../reduce_wgsl.ts";
import {
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  entryWgsl,
  foldWorkgroups,
  GROUP_INDEX,
  lanesFor,
  packParams,
} from "../wgsl.ts";
import { type AttentionAttributes, type AttentionExtents, firstStart } from "./shapes.ts";

/** An operand under the name that the WGSL uses. */
export interface Operand {
  readonly name: string;
  readonly type: "f32" | "i32" | "vec4<f32>";
  readonly binding: GpuBinding;
}

export const floats = (name: string, binding: GpuBinding): Operand => ({
  name,
  type: "f32",
  binding,
});
export const integers = (name: string, binding: GpuBinding): Operand => ({
  name,
  type: "i32",
  binding,
});

const PARAMS = `
fn extentT() -> u32 { return params[0].x; }
fn extentS() -> u32 { return params[0].y; }
fn extentH() -> u32 { return params[0].z; }
fn extentD() -> u32 { return params[0].w; }
fn extentB() -> u32 { return params[1].x; }
`;

/** Rows of queries, or of keys, and what extent they have in a batch without gaps. */
export type Side = "T" | "S";

/** `first<side>(b)` and `count<side>(b)`: where the rows of a sentence begin, and how many there are. */
const rowsWgsl = (side: Side, startOf: string | undefined): string =>
  startOf
    ? `
fn first${side}(b: u32) -> u32 { return u32(${startOf}); }
fn count${side}(b: u32) -> u32 { return first${side}(b + 1u) - first${side}(b); }
`
    : `
fn first${side}(b: u32) -> u32 { return b * extent${side}(); }
fn count${side}(b: u32) -> u32 { return extent${side}(); }
`;

/**
 * `counts`, the rows of queries and keys of sentence b, as numbers that WGSL takes for equal in the
 * whole workgroup: what lies in a buffer it does not.
 */
export const declareCounts = (packs: boolean): string =>
  packs ? "var<workgroup> sharedCounts: vec2<u32>;" : "";
export const loadCounts = (packs: boolean): string =>
  packs
    ? `
  if (lane == 0u) { sharedCounts = vec2<u32>(countT(b), countS(b)); }
  let counts = workgroupUniformLoad(&sharedCounts);`
    : `
  let counts = vec2<u32>(countT(b), countS(b));`;

/** Stands for the score of no key: below every score, and finite because WGSL knows no infinity. */
export const LOWEST = "-3.0e38";

/** `seen(b, t, s)`: whether no mask hides key s from query t. */
export const seenWgsl = (padded: boolean): string => `
fn seen(b: u32, t: u32, s: u32) -> bool {
  ${padded ? "if (padding[firstS(b) + s] != 0) { return false; }" : ""}
  return params[1].y == 0u || s <= t;
}
`;

/** `seen(b, t, s)` and `score(b, h, t, s)` from q, k and, where there is one, padding. */
export const scoreWgsl = (padded: boolean): string => `${seenWgsl(padded)}
fn score(b: u32, h: u32, t: u32, s: u32) -> f32 {
  let D = extentD();
  let first = ((firstT(b) + t) * extentH() + h) * D;
  let to = ((firstS(b) + s) * extentH() + h) * D;
  var sum = 0.0;
  for (var d = 0u; d < D; d = d + 1u) { sum = sum + q[first + d] * k[to + d]; }
  return sum * bitcast<f32>(params[1].z);
}
`;

export const PROBABILITY = `
fn probability(b: u32, h: u32, t: u32, s: u32) -> f32 {
  if (!seen(b, t, s)) { return 0.0; }
  return exp(score(b, h, t, s) - lse[(b * extentH() + h) * extentT() + t]);
}
`;

const SCORE_INDEX = "((b * extentH() + h) * extentT() + t) * extentS() + s";

/** `kept(b, h, t, s)`: what dropout multiplies a probability by. */
export const keptWgsl = (
  drops: boolean,
): string => `${drops ? multiplierWgsl(["params[2].x", "params[2].y", "params[2].z"]) : ""}
fn kept(b: u32, h: u32, t: u32, s: u32) -> f32 {
  ${drops ? `return multiplier(${SCORE_INDEX});` : "return 1.0;"}
}
`;

/** The same of keys s to s + 3. */
export const keptQuadWgsl = (
  drops: boolean,
): string => `${drops ? multiplierWgsl(["params[2].x", "params[2].y", "params[2].z"]) : ""}
fn keptQuad(b: u32, h: u32, t: u32, s: u32) -> vec4<f32> {
  ${drops ? `return multipliers(${SCORE_INDEX});` : "return vec4<f32>(1.0);"}
}
`;

const PARAM_QUADS = 3;

const arraysOf = (operands: readonly Operand[]) =>
  operands.map(({ name, type }) => [name, type] as const);

/** Everything about one attention op that its dispatches share. */
export class AttentionWgsl {
  private readonly params: Uint32Array;
  private readonly rows: string;
  readonly padded: boolean;
  readonly drops: boolean;
  readonly packs: boolean;

  constructor(
    readonly extents: AttentionExtents,
    {
      scale,
      causal,
      padded,
      dropout,
      packed,
      selected,
    }: AttentionAttributes & { selected?: number },
    readonly facts: GpuFacts,
  ) {
    const { B, T, S, H, D } = extents;
    this.padded = padded;
    this.drops = dropout !== undefined;
    this.packs = packed !== undefined;
    // With dropout its key stands before them, and gives the operand its name.
    const startOf = this.drops ? `key[b + ${firstStart({ dropout })}u]` : "starts[b]";
    this.rows =
      rowsWgsl("T", packed && startOf) + rowsWgsl("S", packed?.keys ? startOf : undefined);
    this.params = packParams(
      ...[T, S, H, D, B, causal ? 1 : 0, { f32: scale }, selected ?? H],
      ...dropoutParams(dropout),
    );
  }

  /** One kernel over named operands; `body` comes after their declarations and the extents. */
  dispatch(
    operands: readonly Operand[],
    body: string,
    workgroups: readonly [number, number, number],
  ): GpuDispatch {
    const code = `${declareBindings(arraysOf(operands), PARAM_QUADS)}\n${PARAMS}${this.rows}${body}`;
    return this.encode(operands, code, workgroups);
  }

  private encode(
    operands: readonly Operand[],
    code: string,
    workgroups: readonly [number, number, number],
  ): GpuDispatch {
    return {
      code,
      bindings: operands.map(({ binding }) => binding),
      params: this.params,
      workgroups,
    };
  }

  /** lse[b, h, t] of the scores of a row. Operands: q, k, [padding], lse. */
  logSumExp(operands: readonly Operand[]): GpuDispatch {
    const { B, H, T } = this.extents;
    const kernel = {
      arrays: arraysOf(operands),
      ...{ params: PARAM_QUADS, lanes: lanesFor(this.extents.S) },
      reductions: ["treeMax", "treeSum"] as const,
      functions: `${PARAMS}${this.rows}${scoreWgsl(this.padded)}`,
    };
    const code = `${reducingWgsl(kernel, this.facts)} {
  let row = ${GROUP_INDEX};
  if (row >= extentB() * extentH() * extentT()) { return; }
  let t = row % extentT();
  let h = (row / extentT()) % extentH();
  let b = row / (extentT() * extentH());${RUNNING_SUM}
  // Behind the last row of a sentence nothing is summed up.
  let end = select(0u, countS(b), t < countT(b));
  for (var s = lane; s < end; s = s + LANES) {
    if (seen(b, t, s)) { ${meetWgsl("score(b, h, t, s)")} }
  }${JOIN_RUNNING_SUMS}
  if (lane == 0u) {
    if (total > 0.0) { lse[row] = top + log(total); } else { lse[row] = 0.0; }
  }
}`;
    return this.encode(operands, code, foldWorkgroups(B * H * T, this.facts));
  }

  /**
   * target[b, i, h] = sum over j of weight(b, h, t, s) source[b, j, h]. Rows i of the target are the
   * queries t and j the keys s, or the reverse when `byKey`.
   * @param weight body of `weight(b, h, t, s) -> f32` and what it calls.
   */
  mix(
    operands: readonly Operand[],
    weight: string,
    target: string,
    source: string,
    byKey: boolean,
  ) {
    const { B, T, S, H } = this.extents;
    const [rows, columns]: [Side, Side] = byKey ? ["S", "T"] : ["T", "S"];
    const body = `${weight}
var<workgroup> cells: array<f32, LANES>;
${declareCounts(this.packs)}
${entryWgsl(lanesFor(this.extents.D))} {
  let row = ${GROUP_INDEX};
  if (row >= extentB() * extentH() * extent${rows}()) { return; }
  let i = row % extent${rows}();
  let h = (row / extent${rows}()) % extentH();
  let b = row / (extent${rows}() * extentH());${loadCounts(this.packs)}
  if (i >= counts.${byKey ? "y" : "x"}) { return; }
  let columns = counts.${byKey ? "x" : "y"};
  for (var base = 0u; base < extentD(); base = base + LANES) {
    let d = base + lane;
    var sum = 0.0;
    for (var first = 0u; first < columns; first = first + LANES) {
      let j = first + lane;
      if (j < columns) { cells[lane] = weight(b, h, ${byKey ? "j, i" : "i, j"}); }
      workgroupBarrier();
      if (d < extentD()) {
        let count = min(LANES, columns - first);
        for (var c = 0u; c < count; c = c + 1u) {
          let at = ((first${columns}(b) + first + c) * extentH() + h) * extentD() + d;
          sum = sum + cells[c] * ${source}[at];
        }
      }
      workgroupBarrier();
    }
    if (d < extentD()) { ${target}[((first${rows}(b) + i) * extentH() + h) * extentD() + d] = sum; }
  }
}`;
    return this.dispatch(operands, body, foldWorkgroups(B * H * (byKey ? S : T), this.facts));
  }

  /** One invocation per element of `count`; `body` computes from `index`. */
  elements(operands: readonly Operand[], functions: string, body: string, count: number) {
    return this.dispatch(
      operands,
      `${functions}\n${ENTRY} {\n  let index = ${ELEMENT_INDEX};\n${body}\n}`,
      elementWorkgroups(count, this.facts),
    );
  }

  /** Weights p m of out and dv. */
  get keptProbability(): string {
    return `${scoreWgsl(this.padded)}${PROBABILITY}${keptWgsl(this.drops)}
fn weight(b: u32, h: u32, t: u32, s: u32) -> f32 {
  return probability(b, h, t, s) * kept(b, h, t, s);
}`;
  }

  /** Weights dS of dq and dk. @param dp expression of d loss / d probability at (b, h, t, s). */
  scoreGradient(functions: string, dp: string): string {
    return `${scoreWgsl(this.padded)}${PROBABILITY}${functions}
fn weight(b: u32, h: u32, t: u32, s: u32) -> f32 {
  let p = probability(b, h, t, s);
  if (p == 0.0) { return 0.0; }
  return p * (${dp} - delta[(b * extentH() + h) * extentT() + t]) * bitcast<f32>(params[1].z);
}`;
  }
}

// Attention in WGSL. Every kernel is one of four: the log-sum-exp of a row of scores, a sum per row,
// a mix of rows (out, dq, dk, dv), or the mean of probabilities. Scores are computed where they are used.
//
// Memory: reads the inputs, overwrites the outputs; nothing of size T x S but attentionWeights' result.
// Work: one workgroup per (b, h, row) for the first and third kind, one invocation per element else.
// Cost: the first mix of a row costs T S D products again; tiles in workgroup memory are the way up.
import { sizeOf } from "../../src/tensor/shape.ts";
import type { GpuBinding, GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { dropThreshold } from "../random/philox.ts";
import { PHILOX_WGSL } from "../random/philox_wgsl.ts";
import {
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  foldWorkgroups,
  GROUP_INDEX,
  packParams,
  TREE_MAX_WGSL,
  TREE_SUM_WGSL,
  WORKGROUP_SIZE,
} from "../wgsl.ts";
import type { CachedAttributes } from "./cached.ts";
import {
  type AttentionAttributes,
  type AttentionExtents,
  attentionExtents,
  optionalInputs,
} from "./shapes.ts";
import type { WeightsAttributes } from "./weights.ts";

/** An operand under the name that the WGSL uses. */
interface Operand {
  readonly name: string;
  readonly type: "f32" | "i32";
  readonly binding: GpuBinding;
}

const floats = (name: string, binding: GpuBinding): Operand => ({ name, type: "f32", binding });
const integers = (name: string, binding: GpuBinding): Operand => ({ name, type: "i32", binding });

const PARAMS = `
fn extentT() -> u32 { return params[0].x; }
fn extentS() -> u32 { return params[0].y; }
fn extentH() -> u32 { return params[0].z; }
fn extentD() -> u32 { return params[0].w; }
fn extentB() -> u32 { return params[1].x; }
`;

/** Stands for the score of no key: below every score, and finite because WGSL knows no infinity. */
const LOWEST = "-3.0e38";

/** `seen(b, t, s)` and `score(b, h, t, s)` from q, k and, where there is one, padding. */
const scoreWgsl = (padded: boolean): string => `
fn seen(b: u32, t: u32, s: u32) -> bool {
  ${padded ? "if (padding[b * extentS() + s] != 0) { return false; }" : ""}
  return params[1].y == 0u || s <= t;
}
fn score(b: u32, h: u32, t: u32, s: u32) -> f32 {
  let D = extentD();
  let first = ((b * extentT() + t) * extentH() + h) * D;
  let to = ((b * extentS() + s) * extentH() + h) * D;
  var sum = 0.0;
  for (var d = 0u; d < D; d = d + 1u) { sum = sum + q[first + d] * k[to + d]; }
  return sum * bitcast<f32>(params[1].z);
}
`;

const PROBABILITY = `
fn probability(b: u32, h: u32, t: u32, s: u32) -> f32 {
  if (!seen(b, t, s)) { return 0.0; }
  return exp(score(b, h, t, s) - lse[(b * extentH() + h) * extentT() + t]);
}
`;

const keptWgsl = (drops: boolean): string => `${drops ? PHILOX_WGSL : ""}
fn kept(b: u32, h: u32, t: u32, s: u32) -> f32 {
  ${
    drops
      ? `let element = ((b * extentH() + h) * extentT() + t) * extentS() + s;
  return dropoutMultiplier(element, u32(key[0]), params[2].x, u32(key[1]), u32(key[2]), params[2].y,
    bitcast<f32>(params[2].z));`
      : "return 1.0;"
  }
}
`;

/** Everything about one attention op that its dispatches share. */
class AttentionWgsl {
  private readonly params: Uint32Array;
  readonly padded: boolean;
  readonly drops: boolean;

  constructor(
    private readonly extents: AttentionExtents,
    { scale, causal, padded, dropout, selected }: AttentionAttributes & { selected?: number },
    private readonly facts: GpuFacts,
  ) {
    const { B, T, S, H, D } = extents;
    const { p, stream } = dropout ?? { p: 0, stream: 0 };
    this.padded = padded;
    this.drops = dropout !== undefined;
    this.params = packParams(
      ...[T, S, H, D, B, causal ? 1 : 0, { f32: scale }, selected ?? H],
      ...[stream, dropThreshold(p), { f32: 1 / (1 - p) }],
    );
  }

  private dispatch(
    operands: readonly Operand[],
    body: string,
    workgroups: readonly [number, number, number],
  ): GpuDispatch {
    const arrays = operands.map(({ name, type }) => [name, type] as const);
    return {
      code: `${declareBindings(arrays, 3)}\n${PARAMS}${body}`,
      bindings: operands.map(({ binding }) => binding),
      params: this.params,
      workgroups,
    };
  }

  /** lse[b, h, t] of the scores of a row. Operands: q, k, [padding], lse. */
  logSumExp(operands: readonly Operand[]): GpuDispatch {
    const { B, H, T } = this.extents;
    const body = `${scoreWgsl(this.padded)}${TREE_MAX_WGSL}${TREE_SUM_WGSL}
${ENTRY} {
  let row = ${GROUP_INDEX};
  if (row >= extentB() * extentH() * extentT()) { return; }
  let t = row % extentT();
  let h = (row / extentT()) % extentH();
  let b = row / (extentT() * extentH());
  var highest = ${LOWEST};
  for (var s = lane; s < extentS(); s = s + ${WORKGROUP_SIZE}u) {
    if (seen(b, t, s)) { highest = max(highest, score(b, h, t, s)); }
  }
  let top = treeMax(lane, highest);
  var sum = 0.0;
  for (var s = lane; s < extentS(); s = s + ${WORKGROUP_SIZE}u) {
    if (seen(b, t, s)) { sum = sum + exp(score(b, h, t, s) - top); }
  }
  let total = treeSum(lane, sum);
  if (lane == 0u) {
    if (total > 0.0) { lse[row] = top + log(total); } else { lse[row] = 0.0; }
  }
}`;
    return this.dispatch(operands, body, foldWorkgroups(B * H * T, this.facts));
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
    const [rows, columns] = byKey ? ["extentS()", "extentT()"] : ["extentT()", "extentS()"];
    const body = `${weight}
var<workgroup> cells: array<f32, ${WORKGROUP_SIZE}>;
${ENTRY} {
  let row = ${GROUP_INDEX};
  if (row >= extentB() * extentH() * ${rows}) { return; }
  let i = row % ${rows};
  let h = (row / ${rows}) % extentH();
  let b = row / (${rows} * extentH());
  for (var base = 0u; base < extentD(); base = base + ${WORKGROUP_SIZE}u) {
    let d = base + lane;
    var sum = 0.0;
    for (var first = 0u; first < ${columns}; first = first + ${WORKGROUP_SIZE}u) {
      let j = first + lane;
      if (j < ${columns}) { cells[lane] = weight(b, h, ${byKey ? "j, i" : "i, j"}); }
      workgroupBarrier();
      if (d < extentD()) {
        let count = min(${WORKGROUP_SIZE}u, ${columns} - first);
        for (var c = 0u; c < count; c = c + 1u) {
          let at = ((b * ${columns} + first + c) * extentH() + h) * extentD() + d;
          sum = sum + cells[c] * ${source}[at];
        }
      }
      workgroupBarrier();
    }
    if (d < extentD()) { ${target}[((b * ${rows} + i) * extentH() + h) * extentD() + d] = sum; }
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

const paddingOf = (input: number | undefined): Operand[] =>
  input === undefined ? [] : [integers("padding", { input })];
const keyOf = (input: number | undefined): Operand[] =>
  input === undefined ? [] : [integers("key", { input })];

/** Bytes of one float per row of scores; a buffer is never empty. */
const rowsBytes = ({ B, H, T }: AttentionExtents): number => Math.max(4, 4 * B * H * T);

export function attentionWgsl(
  { attributes, inputs }: OpSpec<AttentionAttributes>,
  facts: GpuFacts,
): GpuDispatch[] {
  const extents = attentionExtents("attention", attributes, inputs);
  const wgsl = new AttentionWgsl(extents, attributes, facts);
  const { padding, key } = optionalInputs(attributes, 3);
  const scores = [floats("q", { input: 0 }), floats("k", { input: 1 }), ...paddingOf(padding)];
  const lse = floats("lse", { output: 1 });
  const values = [floats("v", { input: 2 }), ...keyOf(key), floats("out", { output: 0 })];
  return [
    wgsl.logSumExp([...scores, lse]),
    wgsl.mix([...scores, lse, ...values], wgsl.keptProbability, "out", "v", false),
  ];
}

export function attentionGradientWgsl(
  { attributes, inputs }: OpSpec<AttentionAttributes>,
  facts: GpuFacts,
): GpuDispatch[] {
  const extents = attentionExtents("attention_gradient", attributes, inputs);
  const wgsl = new AttentionWgsl(extents, attributes, facts);
  const { padding, key } = optionalInputs(attributes, 6);
  const dout = floats("dout", { input: 5 });
  const delta = floats("delta", { shared: "delta", bytes: rowsBytes(extents) });
  const scores = [
    floats("q", { input: 0 }),
    floats("k", { input: 1 }),
    floats("lse", { input: 4 }),
    dout,
    ...paddingOf(padding),
    ...keyOf(key),
  ];
  const weight = wgsl.scoreGradient(
    `${keptWgsl(wgsl.drops)}
fn valueProduct(b: u32, h: u32, t: u32, s: u32) -> f32 {
  let first = ((b * extentT() + t) * extentH() + h) * extentD();
  let to = ((b * extentS() + s) * extentH() + h) * extentD();
  var sum = 0.0;
  for (var d = 0u; d < extentD(); d = d + 1u) { sum = sum + dout[first + d] * v[to + d]; }
  return sum;
}`,
    "valueProduct(b, h, t, s) * kept(b, h, t, s)",
  );
  const gradients = [...scores, floats("v", { input: 2 }), delta];
  return [
    wgsl.elements(
      [floats("out", { input: 3 }), dout, delta],
      "",
      `  if (index >= extentB() * extentH() * extentT()) { return; }
  let t = index % extentT();
  let h = (index / extentT()) % extentH();
  let b = index / (extentT() * extentH());
  let first = ((b * extentT() + t) * extentH() + h) * extentD();
  var sum = 0.0;
  for (var d = 0u; d < extentD(); d = d + 1u) { sum = sum + dout[first + d] * out[first + d]; }
  delta[index] = sum;`,
      extents.B * extents.H * extents.T,
    ),
    wgsl.mix([...gradients, floats("dq", { output: 0 })], weight, "dq", "k", false),
    wgsl.mix([...gradients, floats("dk", { output: 1 })], weight, "dk", "q", true),
    wgsl.mix([...scores, floats("dv", { output: 2 })], wgsl.keptProbability, "dv", "dout", true),
  ];
}

export function weightsWgsl(
  { attributes, inputs, outputs }: OpSpec<WeightsAttributes>,
  facts: GpuFacts,
): GpuDispatch[] {
  const extents = attentionExtents("attention_weights", attributes, inputs);
  const wgsl = new AttentionWgsl(extents, attributes, facts);
  const { padding } = optionalInputs(attributes, 2);
  const lse = floats("lse", { shared: "lse", bytes: rowsBytes(extents) });
  const scores = [floats("q", { input: 0 }), floats("k", { input: 1 }), ...paddingOf(padding), lse];
  return [
    wgsl.logSumExp(scores),
    wgsl.elements(
      [...scores, floats("weights", { output: 0 })],
      `${scoreWgsl(wgsl.padded)}${PROBABILITY}`,
      `  if (index >= extentB() * extentT() * extentS()) { return; }
  let s = index % extentS();
  let t = (index / extentS()) % extentT();
  let b = index / (extentS() * extentT());
  var sum = 0.0;
  for (var h = 0u; h < params[1].w; h = h + 1u) { sum = sum + probability(b, h, t, s); }
  weights[index] = sum / f32(params[1].w);`,
      sizeOf(outputs[0].shape),
    ),
  ];
}

export function weightsGradientWgsl(
  { attributes, inputs }: OpSpec<WeightsAttributes>,
  facts: GpuFacts,
): GpuDispatch[] {
  const extents = attentionExtents("attention_weights_gradient", attributes, inputs);
  const wgsl = new AttentionWgsl(extents, attributes, facts);
  const { padding } = optionalInputs(attributes, 3);
  const bytes = rowsBytes(extents);
  const lse = floats("lse", { shared: "lse", bytes });
  const delta = floats("delta", { shared: "delta", bytes });
  const scores = [floats("q", { input: 0 }), floats("k", { input: 1 }), ...paddingOf(padding), lse];
  const dweights = floats("dweights", { input: 2 });
  const outer = `
fn outer(b: u32, h: u32, t: u32, s: u32) -> f32 {
  if (h >= params[1].w) { return 0.0; }
  return dweights[(b * extentT() + t) * extentS() + s] / f32(params[1].w);
}`;
  const weight = wgsl.scoreGradient(outer, "outer(b, h, t, s)");
  const gradients = [...scores, dweights, delta];
  return [
    wgsl.logSumExp(scores),
    wgsl.elements(
      gradients,
      `${scoreWgsl(wgsl.padded)}${PROBABILITY}${outer}`,
      `  if (index >= extentB() * extentH() * extentT()) { return; }
  let t = index % extentT();
  let h = (index / extentT()) % extentH();
  let b = index / (extentT() * extentH());
  var sum = 0.0;
  for (var s = 0u; s < extentS(); s = s + 1u) {
    sum = sum + probability(b, h, t, s) * outer(b, h, t, s);
  }
  delta[index] = sum;`,
      extents.B * extents.H * extents.T,
    ),
    wgsl.mix([...gradients, floats("dq", { output: 0 })], weight, "dq", "k", false),
    wgsl.mix([...gradients, floats("dk", { output: 1 })], weight, "dk", "q", true),
  ];
}

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
  const code = `${declareBindings(arrays, 2)}
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
${TREE_MAX_WGSL}${TREE_SUM_WGSL}
var<workgroup> cells: array<f32, ${WORKGROUP_SIZE}>;
var<workgroup> positions: u32;
${ENTRY} {
  let unit = ${GROUP_INDEX};
  if (unit >= params[0].x * params[0].z) { return; }
  let h = unit % params[0].z;
  let r = unit / params[0].z;
  let D = params[0].w;
  if (lane == 0u) { positions = min(u32(count[0]), params[0].y); }
  let n = workgroupUniformLoad(&positions);
  var highest = ${LOWEST};
  for (var j = lane; j < n; j = j + ${WORKGROUP_SIZE}u) { highest = max(highest, score(r, h, j)); }
  let top = treeMax(lane, highest);
  var sum = 0.0;
  for (var j = lane; j < n; j = j + ${WORKGROUP_SIZE}u) { sum = sum + exp(score(r, h, j) - top); }
  let total = treeSum(lane, sum);
  for (var base = 0u; base < D; base = base + ${WORKGROUP_SIZE}u) {
    let d = base + lane;
    var mixed = 0.0;
    for (var first = 0u; first < n; first = first + ${WORKGROUP_SIZE}u) {
      if (first + lane < n) { cells[lane] = exp(score(r, h, first + lane) - top) / total; }
      workgroupBarrier();
      if (d < D) {
        for (var c = 0u; c < min(${WORKGROUP_SIZE}u, n - first); c = c + 1u) {
          mixed = mixed + cells[c] * values[at(r, first + c, h) + d];
        }
      }
      workgroupBarrier();
    }
    if (d < D) { out[(r * params[0].z + h) * D + d] = mixed; }
  }
}`;
  return {
    code,
    bindings: [...[0, 1, 2, 3, 4].map((input) => ({ input })), { output: 0 }],
    params: packParams(R, L, heads, E / heads, { f32: scale }, 0, 0, 0),
    workgroups: foldWorkgroups(R * heads, facts),
  };
}

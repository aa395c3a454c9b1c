// Attention in WGSL: what each op dispatches. Tiles where the head's width lets them fit into
// workgroup memory (tiled_wgsl.ts), of whichever size the device has found to be fastest; else rows
// (row_wgsl.ts).
import { sizeOf } from "../../src/tensor/shape.ts";
import type { GpuCandidate, GpuChoice, GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { classEnd, foldWorkgroups } from "../wgsl.ts";
import {
  AttentionWgsl,
  floats,
  integers,
  keptQuadWgsl,
  keptWgsl,
  type Operand,
  PROBABILITY,
  scoreWgsl,
} from "./row_wgsl.ts";
import {
  type AttentionAttributes,
  type AttentionExtents,
  attentionExtents,
  optionalInputs,
} from "./shapes.ts";
import {
  asQuads,
  forwardTiled,
  keyGradientTiled,
  queryGradientTiled,
  type TiledText,
} from "./tiled_wgsl.ts";
import { nameOf, type Tiling, tilesAlong, tilingsFor, widthClass } from "./tiling.ts";
import type { WeightsAttributes } from "./weights.ts";

export { cachedWgsl } from "./cached_wgsl.ts";

const textOf = ({ padded, packs, drops, extents }: AttentionWgsl): TiledText => ({
  quads: extents.D % 4 === 0,
  padded,
  packs,
  kept: keptQuadWgsl(drops),
});

const paddingOf = (input: number | undefined): Operand[] =>
  input === undefined ? [] : [integers("padding", { input })];

/** The input with the key of dropout, with where packed rows begin, or with both. */
function numbersOf({ key, starts }: Pick<ReturnType<typeof optionalInputs>, "key" | "starts">) {
  const input = key ?? starts;
  const numbers =
    input === undefined ? [] : [integers(key === undefined ? "starts" : "key", { input })];
  /** For kernels that draw nothing. */
  const starting = starts === undefined ? [] : numbers;
  return { numbers, starting };
}

/** Bytes of one float per row of scores; a buffer is never empty. */
const rowsBytes = ({ B, H, T }: AttentionExtents): number => Math.max(4, 4 * B * H * T);

/** Up to so many products of a query's and a key's element, microseconds of a GPU, any tile will do. */
const SMALL = 2 ** 20;

/** @param candidates at least one, the best guess first. */
function choiceOf(
  { extents: { B, T, S, H, D }, padded, drops, packs }: AttentionWgsl,
  causal: boolean,
  candidates: readonly GpuCandidate[],
): readonly GpuDispatch[] | GpuChoice {
  if (B * H * T * S * D <= SMALL) return candidates[0].dispatches();
  const sizes = `${classEnd(T)}x${classEnd(S)} by ${classEnd(B * H)}`;
  const text = [D % 4 === 0 && "quads", padded && "padded", drops && "dropout", packs && "packed"];
  const rest = [...text, causal && "causal"].filter(Boolean);
  return { shapeClass: [sizes, `width ${widthClass(D)}`, ...rest].join(", "), candidates };
}

export function attentionWgsl(
  { attributes, inputs }: OpSpec<AttentionAttributes>,
  facts: GpuFacts,
): readonly GpuDispatch[] | GpuChoice {
  const extents = attentionExtents("attention", attributes, inputs);
  const wgsl = new AttentionWgsl(extents, attributes, facts);
  const { padding, ...optional } = optionalInputs(attributes, 3);
  const { numbers, starting } = numbersOf(optional);
  const heads = [0, 1, 2].map((input) => floats("qkv"[input], { input }));
  const out = floats("out", { output: 0 });
  const lse = floats("lse", { output: 1 });
  const { B, H, T, D } = extents;
  const tilings = tilingsFor("forward", D, T, facts);
  if (tilings.length > 0) {
    const text = textOf(wgsl);
    const operands = [
      ...[...asQuads([...heads, out], text.quads), lse],
      ...[...paddingOf(padding), ...numbers],
    ];
    const candidates = tilings.map((tiling) => ({
      name: nameOf(tiling),
      dispatches: () => {
        const workgroups = foldWorkgroups(B * H * tilesAlong(T, tiling), facts);
        return [wgsl.dispatch(operands, forwardTiled(tiling, text), workgroups)];
      },
    }));
    return choiceOf(wgsl, attributes.causal, candidates);
  }
  const [q, k, v] = heads;
  const scores = [q, k, ...paddingOf(padding), lse];
  return [
    wgsl.logSumExp([...scores, ...starting]),
    wgsl.mix([...scores, v, ...numbers, out], wgsl.keptProbability, "out", "v", false),
  ];
}

export function attentionGradientWgsl(
  { attributes, inputs }: OpSpec<AttentionAttributes>,
  facts: GpuFacts,
): readonly GpuDispatch[] | GpuChoice {
  const extents = attentionExtents("attention_gradient", attributes, inputs);
  const wgsl = new AttentionWgsl(extents, attributes, facts);
  const { padding, ...optional } = optionalInputs(attributes, 6);
  const { numbers, starting } = numbersOf(optional);
  const operands = {
    heads: [0, 1, 2, 5].map((input) =>
      floats(["q", "k", "v", "out", "lse", "dout"][input], { input }),
    ),
    out: floats("out", { input: 3 }),
    lse: floats("lse", { input: 4 }),
    masks: [...paddingOf(padding), ...numbers],
    starting,
    delta: floats("delta", { shared: "delta", bytes: rowsBytes(extents) }),
    dq: floats("dq", { output: 0 }),
    dk: floats("dk", { output: 1 }),
    dv: floats("dv", { output: 2 }),
  };
  const byKey = tilingsFor("key_gradient", extents.D, extents.S, facts);
  const candidates = tilingsFor("query_gradient", extents.D, extents.T, facts).flatMap((query) =>
    byKey.map((key) => ({
      name: `${nameOf(query)} for queries, ${nameOf(key)} for keys`,
      dispatches: () => tiledGradient(wgsl, operands, query, key),
    })),
  );
  return candidates.length > 0
    ? choiceOf(wgsl, attributes.causal, candidates)
    : rowGradient(wgsl, operands);
}

interface GradientOperands {
  /** q, k, v, dout. */
  readonly heads: readonly Operand[];
  readonly out: Operand;
  readonly lse: Operand;
  /** Padding, and the key of dropout and where packed rows begin: as far as there are any. */
  readonly masks: readonly Operand[];
  readonly starting: readonly Operand[];
  readonly delta: Operand;
  readonly dq: Operand;
  readonly dk: Operand;
  readonly dv: Operand;
}

function tiledGradient(
  wgsl: AttentionWgsl,
  { heads, out, lse, masks, delta, dq, dk, dv }: GradientOperands,
  byQuery: Tiling,
  byKey: Tiling,
): GpuDispatch[] {
  const { B, H, T, S } = wgsl.extents;
  const text = textOf(wgsl);
  const rest = [lse, delta, ...masks];
  return [
    wgsl.dispatch(
      [...asQuads([...heads, out, dq], text.quads), ...rest],
      queryGradientTiled(byQuery, text),
      foldWorkgroups(B * H * tilesAlong(T, byQuery), wgsl.facts),
    ),
    wgsl.dispatch(
      [...asQuads([...heads, dk, dv], text.quads), ...rest],
      keyGradientTiled(byKey, text),
      foldWorkgroups(B * H * tilesAlong(S, byKey), wgsl.facts),
    ),
  ];
}

function rowGradient(
  wgsl: AttentionWgsl,
  { heads, out, lse, masks, starting, delta, dq, dk, dv }: GradientOperands,
): GpuDispatch[] {
  const [q, k, v, dout] = heads;
  const { B, H, T } = wgsl.extents;
  const deltas = wgsl.elements(
    [out, dout, ...starting, delta],
    "",
    `  if (index >= extentB() * extentH() * extentT()) { return; }
  let t = index % extentT();
  let h = (index / extentT()) % extentH();
  let b = index / (extentT() * extentH());
  if (t >= countT(b)) { return; }
  let first = ((firstT(b) + t) * extentH() + h) * extentD();
  var sum = 0.0;
  for (var d = 0u; d < extentD(); d = d + 1u) { sum = sum + dout[first + d] * out[first + d]; }
  delta[index] = sum;`,
    B * H * T,
  );
  const scores = [q, k, lse, dout, ...masks];
  const gradients = [...scores, v, delta];
  const weight = wgsl.scoreGradient(
    `${keptWgsl(wgsl.drops)}
fn valueProduct(b: u32, h: u32, t: u32, s: u32) -> f32 {
  let first = ((firstT(b) + t) * extentH() + h) * extentD();
  let to = ((firstS(b) + s) * extentH() + h) * extentD();
  var sum = 0.0;
  for (var d = 0u; d < extentD(); d = d + 1u) { sum = sum + dout[first + d] * v[to + d]; }
  return sum;
}`,
    "valueProduct(b, h, t, s) * kept(b, h, t, s)",
  );
  return [
    deltas,
    wgsl.mix([...gradients, dq], weight, "dq", "k", false),
    wgsl.mix([...gradients, dk], weight, "dk", "q", true),
    wgsl.mix([...scores, dv], wgsl.keptProbability, "dv", "dout", true),
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

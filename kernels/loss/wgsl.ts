// Losses in WGSL.
//
// Memory: reads the inputs, overwrites the outputs; dlogits may be logits.
// Work: one workgroup per row for its loss or count, then one workgroup for the sums over rows; the
// gradient one workgroup per row. Reductions in fixed order.
// Cost: the loss reads the logits once, the gradient reads and writes them once.
import type { TensorSpec } from "../../src/tensor/shape.ts";
import type { GpuBinding, GpuDispatch, GpuFacts, OpSpec } from "../op.ts";
import { JOIN_RUNNING_SUMS, meetWgsl, RUNNING_SUM, reducingWgsl } from "../reduce_wgsl.ts";
import { foldWorkgroups, GROUP_INDEX, lanesFor, packParams } from "../wgsl.ts";
import type { AccuracyAttributes, LossGradientAttributes, LossOptions } from "./index.ts";

const eachLogit = (body: string): string => `
  for (var v = lane; v < V; v = v + LANES) { ${body} }`;

/** Start of a kernel whose workgroups are rows. */
const ROW = `
  let row = ${GROUP_INDEX};
  if (row >= params[0].x) { return; }
  let V = params[0].y;
  let base = row * V;
  let y = target_[row];
  let counted = y != bitcast<i32>(params[0].z);
  let epsilon = bitcast<f32>(params[0].w);
  let smoothed = epsilon / (f32(V) - 1.0);`;

const paramsOf = (N: number, V: number, padding: number, epsilon: number): Uint32Array =>
  packParams(N, V, padding >>> 0, { f32: epsilon });

/** first and second () from pairs (N, 2). */
function sumPairs(pairs: GpuBinding, N: number, facts: GpuFacts): GpuDispatch {
  const kernel = {
    arrays: ["pairs", "first", "second"].map((name) => [name, "f32"] as const),
    ...{ params: 1, lanes: lanesFor(N), reductions: ["treeSums"] as const },
  };
  return {
    code: `${reducingWgsl(kernel, facts)} {
  var own = vec2<f32>();
  if (${GROUP_INDEX} == 0u) {
    for (var row = lane; row < params[0].x; row = row + LANES) {
      own = own + vec2<f32>(pairs[2u * row], pairs[2u * row + 1u]);
    }
  }
  let sums = treeSums(lane, own);
  if (lane == 0u) { first[0] = sums.x; second[0] = sums.y; }
}`,
    bindings: [pairs, { output: 0 }, { output: 1 }],
    params: packParams(N),
    workgroups: [1, 1, 1],
  };
}

const pairsOf = (N: number): GpuBinding => ({ shared: "pairs", bytes: Math.max(8, 8 * N) });

export function lossWgsl(
  { attributes, inputs: [logits] }: OpSpec<LossOptions>,
  facts: GpuFacts,
): GpuDispatch[] {
  const { epsilon, padding, differentiate } = attributes;
  const [N, V] = logits.shape;
  const pairs = pairsOf(N);
  const arrays = [
    ["logits", "f32"],
    ["target_", "i32"],
    ["lse", "f32"],
    ["pairs", "f32"],
  ] as const;
  const reductions = ["treeMax", "treeSum"] as const;
  const kernel = { arrays, params: 1, lanes: lanesFor(V), reductions };
  const code = `${reducingWgsl(kernel, facts)} {${ROW}${RUNNING_SUM}
  // Sum of distances to the highest: no cancellation.
  var below = 0.0;
  var met = 0.0;${eachLogit(
    `${meetWgsl("logits[base + v]", "below = below + met * (value - highest);", "below = below + (highest - value);")}
    met = met + 1.0;`,
  )}${JOIN_RUNNING_SUMS}
  let log_ = log(total);
  // Sum of -log p over the vocabulary.
  let all = treeSum(lane, select(0.0, below + met * (top - highest), met > 0.0)) + f32(V) * log_;
  if (lane == 0u) {
    if (counted) {
      let nll = top - logits[base + u32(y)] + log_;
      lse[row] = top + log_;
      pairs[2u * row] = (1.0 - epsilon - smoothed) * nll + smoothed * all;
      pairs[2u * row + 1u] = nll;
    } else {
      lse[row] = 0.0;
      pairs[2u * row] = 0.0;
      pairs[2u * row + 1u] = 0.0;
    }
  }
}`;
  return [
    {
      code,
      bindings: [{ input: 0 }, { input: 1 }, { output: 2 }, pairs],
      params: paramsOf(N, V, padding, epsilon),
      workgroups: foldWorkgroups(N, facts),
    },
    sumPairs(pairs, N, facts),
    ...(differentiate
      ? [gradientOfRows(attributes, logits, [...FIRST_TWO, { output: 2 }], { output: 3 }, facts)]
      : []),
  ];
}

const FIRST_TWO: readonly GpuBinding[] = [{ input: 0 }, { input: 1 }];

export function lossGradientWgsl(
  { attributes, inputs: [logits] }: OpSpec<LossGradientAttributes>,
  facts: GpuFacts,
): GpuDispatch {
  const inputs = [0, 1, 2, 3, ...(attributes.nll ? [4] : [])].map((input) => ({ input }));
  return gradientOfRows(attributes, logits, inputs, { output: 0 }, facts);
}

/** `operands` are logits, target, lse and, where they are not 1 and 0, dloss and dnll. */
function gradientOfRows(
  { epsilon, padding }: LossOptions,
  { shape: [N, V] }: TensorSpec,
  operands: readonly GpuBinding[],
  dlogits: GpuBinding,
  facts: GpuFacts,
): GpuDispatch {
  const names = ["logits", "target_", "lse", "dloss", "dnll"].slice(0, operands.length);
  const arrays = [...names, "dlogits"].map(
    (name) => [name, name === "target_" ? "i32" : "f32"] as const,
  );
  const kernel = { arrays, params: 1, lanes: lanesFor(V), reductions: [] };
  const code = `${reducingWgsl(kernel, facts)} {${ROW}
  let dl = ${operands.length > 3 ? "dloss[0]" : "1.0"};
  let dn = ${operands.length > 4 ? "dnll[0]" : "0.0"};
  let peak = dl * (1.0 - epsilon - smoothed) + dn;
  let shift = lse[row];${eachLogit(`
    var g = 0.0;
    if (counted) {
      g = exp(logits[base + v] - shift) * (dl + dn) - dl * smoothed;
      if (i32(v) == y) { g = g - peak; }
    }
    dlogits[base + v] = g;`)}
}`;
  return {
    code,
    bindings: [...operands, dlogits],
    params: paramsOf(N, V, padding, epsilon),
    workgroups: foldWorkgroups(N, facts),
  };
}

export function accuracyWgsl(
  { attributes: { padding }, inputs: [logits] }: OpSpec<AccuracyAttributes>,
  facts: GpuFacts,
): GpuDispatch[] {
  const [N, V] = logits.shape;
  const pairs = pairsOf(N);
  const arrays = [
    ["logits", "f32"],
    ["target_", "i32"],
    ["pairs", "f32"],
  ] as const;
  const kernel = { arrays, params: 1, lanes: lanesFor(V), reductions: ["treeSum"] as const };
  const code = `${reducingWgsl(kernel, facts)} {
  let row = ${GROUP_INDEX};
  if (row >= params[0].x) { return; }
  let V = params[0].y;
  let base = row * V;
  let y = target_[row];
  let counted = y != bitcast<i32>(params[0].z);
  var rivals = 0.0;
  if (counted) {
    let value = logits[base + u32(y)];${eachLogit(`
      let x = logits[base + v];
      if (x > value || (x == value && i32(v) < y)) { rivals = rivals + 1.0; }`)}
  }
  let better = treeSum(lane, rivals);
  if (lane == 0u) {
    pairs[2u * row] = select(0.0, 1.0, counted && better == 0.0);
    pairs[2u * row + 1u] = select(0.0, 1.0, counted);
  }
}`;
  return [
    {
      code,
      bindings: [{ input: 0 }, { input: 1 }, pairs],
      params: paramsOf(N, V, padding, 0),
      workgroups: foldWorkgroups(N, facts),
    },
    sumPairs(pairs, N, facts),
  ];
}

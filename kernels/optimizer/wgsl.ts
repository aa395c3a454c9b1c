// Optimisers in WGSL.
//
// Memory: reads the inputs, overwrites the outputs, which may be the inputs that the op names.
// Work: one invocation per four elements where their number is a multiple of 4, else one per element.
import { sizeOf } from "../../src/tensor/shape.ts";
import type { GpuDispatch, GpuFacts, NoAttributes, OpSpec } from "../op.ts";
import {
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  flatWalk,
  packParams,
} from "../wgsl.ts";
import type { ClipAttributes } from "./index.ts";
import type { LossScaleAttributes } from "./scaler_state.ts";

/** Compilers may assume that there is no NaN: look at the exponent's bits. */
const FINITE = `
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
`;

const floats = (names: readonly string[]): string =>
  declareBindings(
    names.map((name) => [name, "f32"] as const),
    1,
  );

export function adamWgsl({ inputs }: OpSpec<NoAttributes>, facts: GpuFacts): GpuDispatch {
  const { type, steps } = flatWalk(sizeOf(inputs[0].shape));
  const names = ["p", "gradient", "m", "v", "scalars", "multiplier", "newP", "newM", "newV"];
  const arrays = names.map(
    (name) => [name, name === "scalars" || name === "multiplier" ? "f32" : type] as const,
  );
  const code = `${declareBindings(arrays, 1)}
${FINITE}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  let factor = multiplier[0];
  var first = m[i];
  var second = v[i];
  var value = p[i];
  if (finite(factor)) {
    let lr = scalars[0];
    let g = gradient[i] * factor;
    first = scalars[1] * first + (1.0 - scalars[1]) * g;
    second = scalars[2] * second + (1.0 - scalars[2]) * g * g;
    value = value - lr * scalars[4] * value;
    let step = lr * sqrt(scalars[6]) / scalars[5];
    value = value - step * (first / (sqrt(second) + scalars[3]));
  }
  newM[i] = first;
  newV[i] = second;
  newP[i] = value;
}`;
  return {
    code,
    bindings: [
      ...[0, 1, 2, 3, 4, 5].map((input) => ({ input })),
      ...[0, 1, 2].map((output) => ({ output })),
    ],
    params: packParams(steps),
    workgroups: elementWorkgroups(steps, facts),
  };
}

export function clipCoefficientWgsl({
  attributes: { maxNorm },
}: OpSpec<ClipAttributes>): GpuDispatch {
  const code = `${floats(["squareSum", "multiplier", "coefficient"])}
${FINITE}
${ENTRY} {
  if (${ELEMENT_INDEX} > 0u) { return; }
  let factor = multiplier[0];
  let norm = sqrt(squareSum[0]) * factor;
  let maxNorm = bitcast<f32>(params[0].x);
  var result = factor;
  if (maxNorm > 0.0) { result = factor * min(1.0, maxNorm / (norm + 1e-6)); }
  if (!finite(norm)) { result = bitcast<f32>(params[0].y); }
  coefficient[0] = result;
}`;
  return {
    code,
    bindings: [{ input: 0 }, { input: 1 }, { output: 0 }],
    params: packParams({ f32: maxNorm }, { f32: Number.NaN }),
    workgroups: [1, 1, 1],
  };
}

export function emaWgsl({ inputs }: OpSpec<NoAttributes>, facts: GpuFacts): GpuDispatch {
  const { type, steps } = flatWalk(sizeOf(inputs[0].shape));
  const arrays = [
    ["average", type],
    ["parameter", type],
    ["decay", "f32"],
    ["newAverage", type],
  ] as const;
  const code = `${declareBindings(arrays, 1)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  newAverage[i] = decay[0] * average[i] + (1.0 - decay[0]) * parameter[i];
}`;
  return {
    code,
    bindings: [{ input: 0 }, { input: 1 }, { input: 2 }, { output: 0 }],
    params: packParams(steps),
    workgroups: elementWorkgroups(steps, facts),
  };
}

export function lossScaleWgsl({
  attributes: { factor, window, tolerance, threshold, minimum, maxNorm },
}: OpSpec<LossScaleAttributes>): GpuDispatch {
  const code = `${declareBindings(
    [
      ["scale", "f32"],
      ["counters", "i32"],
      ["squareSum", "f32"],
      ["multiplier", "f32"],
      ["known", "i32"],
      ["newScale", "f32"],
      ["newCounters", "i32"],
      ["coefficient", "f32"],
      ["norm_", "f32"],
    ],
    2,
  )}
${FINITE}
${ENTRY} {
  if (${ELEMENT_INDEX} > 0u) { return; }
  // Words: window; factor, tolerance, threshold; minimum, maxNorm, NaN.
  let before = scale[0];
  let iter = counters[0];
  var lastOverflow = counters[1];
  var lastRescale = counters[2];
  var overflows = counters[3];
  var after = before;
  var result = multiplier[0] / before;
  let norm = sqrt(squareSum[0]) * result;
  let maxNorm = bitcast<f32>(params[1].y);
  var status = 0;
  if (lastOverflow != known[0]) {
    status = 3;
    result = bitcast<f32>(params[1].z);
  } else if (finite(squareSum[0]) && finite(norm)) {
    if (maxNorm > 0.0 && norm > maxNorm) { result = result * (maxNorm / norm); }
    if ((iter - lastOverflow) % i32(params[0].x) == 0) {
      after = before * bitcast<f32>(params[0].y);
      lastRescale = iter;
    }
  } else {
    status = 1;
    result = bitcast<f32>(params[1].z);
    let sinceRescale = iter - lastRescale;
    lastOverflow = iter;
    overflows = overflows + 1;
    if (f32(overflows) >= bitcast<f32>(params[0].z) * f32(sinceRescale)) {
      after = max(before / bitcast<f32>(params[0].y), bitcast<f32>(params[0].w));
      lastRescale = iter;
      overflows = 0;
    }
    if (after <= bitcast<f32>(params[1].x)) {
      after = before;
      status = 2;
    }
  }
  newScale[0] = after;
  newCounters[0] = select(iter + 1, iter, status >= 2);
  newCounters[1] = lastOverflow;
  newCounters[2] = lastRescale;
  newCounters[3] = overflows;
  newCounters[4] = status;
  coefficient[0] = result;
  norm_[0] = norm;
}`;
  return {
    code,
    bindings: [
      ...[0, 1, 2, 3, 4].map((input) => ({ input })),
      ...[0, 1, 2, 3].map((output) => ({ output })),
    ],
    params: packParams(
      ...[window, { f32: factor }, { f32: tolerance }, { f32: threshold }],
      ...[{ f32: minimum }, { f32: maxNorm }, { f32: Number.NaN }],
    ),
    workgroups: [1, 1, 1],
  };
}

// What the optimiser ops mean. Float64, plain loops, never fast.
import { NdArray } from "../nd_array.ts";
import type { NoAttributes } from "../op.ts";
import { type LossScaleAttributes, SCALER, SCALER_STATUS } from "./scaler_state.ts";

export function adamReference(_: NoAttributes, inputs: readonly NdArray[]): NdArray[] {
  const [parameter, gradient, expAvg, expAvgSq, scalars, multiplier] = inputs;
  const [p, m, v] = [parameter, expAvg, expAvgSq].map(({ shape, data }) => NdArray.of(shape, data));
  const factor = multiplier.data[0];
  if (!Number.isFinite(factor)) return [p, m, v];
  const [lr, beta1, beta2, eps, weightDecay, correction1, correction2] = scalars.data;
  const step = (lr * Math.sqrt(correction2)) / correction1;
  for (let i = 0; i < p.size; i++) {
    const g = gradient.data[i] * factor;
    m.data[i] = beta1 * m.data[i] + (1 - beta1) * g;
    v.data[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
    p.data[i] -= lr * weightDecay * p.data[i];
    p.data[i] -= (step * m.data[i]) / (Math.sqrt(v.data[i]) + eps);
  }
  return [p, m, v];
}

export function clipCoefficientReference(
  { maxNorm }: { maxNorm: number },
  [squareSum, multiplier]: readonly NdArray[],
): NdArray[] {
  const [factor] = multiplier.data;
  const norm = Math.sqrt(squareSum.data[0]) * factor;
  const limit = maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
  return [NdArray.of([], [Number.isFinite(norm) ? factor * limit : Number.NaN])];
}

export function emaReference(
  _: NoAttributes,
  [average, parameter, decay]: readonly NdArray[],
): NdArray[] {
  const [kept] = decay.data;
  const mixed = average.data.map((value, i) => kept * value + (1 - kept) * parameter.data[i]);
  return [NdArray.of(average.shape, mixed)];
}

/** fairseq's DynamicLossScaler: check_overflow(norm), and update() if it did not overflow. */
export function lossScaleReference(
  { factor, window, tolerance, threshold, minimum, maxNorm }: LossScaleAttributes,
  [scale, counters, squareSum, multiplier, known]: readonly NdArray[],
): NdArray[] {
  const before = scale.data[0];
  const [iter, ...counted] = counters.data;
  let [lastOverflow, lastRescale, overflows] = counted;
  let after = before;
  let coefficient = multiplier.data[0] / before;
  const norm = Math.sqrt(squareSum.data[0]) * coefficient;
  let status: number = SCALER_STATUS.good;
  if (lastOverflow !== known.data[0]) {
    status = SCALER_STATUS.void;
    coefficient = Number.NaN;
  } else if (Number.isFinite(norm)) {
    if (maxNorm > 0 && norm > maxNorm) coefficient *= maxNorm / norm;
    if ((iter - lastOverflow) % window === 0) {
      after = before * factor;
      lastRescale = iter;
    }
  } else {
    status = SCALER_STATUS.overflow;
    coefficient = Number.NaN;
    const sinceRescale = iter - lastRescale;
    lastOverflow = iter;
    overflows++;
    if (overflows >= tolerance * sinceRescale) {
      after = Math.max(before / factor, threshold);
      lastRescale = iter;
      overflows = 0;
    }
    if (after <= minimum) {
      after = before;
      status = SCALER_STATUS.minimumReached;
    }
  }
  const next = status >= SCALER_STATUS.minimumReached ? iter : iter + 1;
  return [
    NdArray.of([], [after]),
    NdArray.of([SCALER.words], [next, lastOverflow, lastRescale, overflows, status]),
    NdArray.of([], [coefficient]),
    NdArray.of([], [norm]),
  ];
}

// What the optimiser ops mean. Float64, plain loops, never fast.
import { NdArray } from "../nd_array.ts";
import type { NoAttributes } from "../op.ts";

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

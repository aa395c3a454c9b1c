// What the losses mean. Float64, plain loops, never fast.
import { NdArray } from "../nd_array.ts";
import type { AccuracyAttributes, LossGradientAttributes, LossOptions } from "./index.ts";

const scalarOf = (value: number): NdArray => NdArray.of([], [value]);

export function labelSmoothedNllReference(
  { epsilon, padding, differentiate }: LossOptions,
  [logits, target]: readonly NdArray[],
): NdArray[] {
  const [N, V] = logits.shape;
  const smoothed = epsilon / (V - 1);
  const lse = NdArray.zeros([N]);
  let loss = 0;
  let nll = 0;
  for (let row = 0; row < N; row++) {
    const y = target.data[row];
    if (y === padding) continue;
    const x = logits.data.subarray(row * V, (row + 1) * V);
    const max = x.reduce((a, b) => Math.max(a, b));
    lse.data[row] = max + Math.log(x.reduce((sum, value) => sum + Math.exp(value - max), 0));
    const minusLogP = (v: number): number => lse.data[row] - x[v];
    nll += minusLogP(y);
    loss += (1 - epsilon - smoothed) * minusLogP(y);
    // Without smoothing, a banned symbol's infinite loss has no weight at all.
    if (smoothed > 0) loss += smoothed * x.reduce((sum, _, v) => sum + minusLogP(v), 0);
  }
  const sums = [scalarOf(loss), scalarOf(nll), lse];
  if (!differentiate) return sums;
  const attributes = { epsilon, padding, nll: false };
  return [...sums, ...lossGradientReference(attributes, [logits, target, lse, scalarOf(1)])];
}

export function lossGradientReference(
  { epsilon, padding }: LossGradientAttributes,
  [logits, target, lse, dloss, dnll]: readonly NdArray[],
): NdArray[] {
  const [N, V] = logits.shape;
  const smoothed = epsilon / (V - 1);
  const dl = dloss.data[0];
  const dn = dnll?.data[0] ?? 0;
  const gradient = NdArray.zeros(logits.shape);
  for (let row = 0; row < N; row++) {
    const y = target.data[row];
    if (y === padding) continue;
    for (let v = 0; v < V; v++) {
      const p = Math.exp(logits.data[row * V + v] - lse.data[row]);
      const hit = v === y ? 1 : 0;
      gradient.data[row * V + v] =
        (dl * (1 - epsilon - smoothed) + dn) * (p - hit) + dl * smoothed * (V * p - 1);
    }
  }
  return [gradient];
}

export function accuracyReference(
  { padding }: AccuracyAttributes,
  [logits, target]: readonly NdArray[],
): NdArray[] {
  const [N, V] = logits.shape;
  let correct = 0;
  let total = 0;
  for (let row = 0; row < N; row++) {
    if (target.data[row] === padding) continue;
    let best = 0;
    for (let v = 1; v < V; v++) {
      if (logits.data[row * V + v] > logits.data[row * V + best]) best = v;
    }
    total++;
    if (best === target.data[row]) correct++;
  }
  return [scalarOf(correct), scalarOf(total)];
}

// What layer norm means. Float64, plain loops, never fast.
import { NdArray } from "../nd_array.ts";
import type { Dropout } from "../random/index.ts";
import { dropoutMultiplier } from "../random/philox.ts";
import type {
  LayerNormAttributes,
  NormGradientAttributes,
  ResidualNormAttributes,
} from "./shapes.ts";

/** y, mean and rstd of the rows of h. */
function normalize(h: NdArray, gain: NdArray, bias: NdArray, epsilon: number): NdArray[] {
  const C = gain.size;
  const y = NdArray.zeros(h.shape);
  const [mean, rstd] = [0, 1].map(() => NdArray.zeros(h.shape.slice(0, -1)));
  for (let row = 0; row < mean.size; row++) {
    const x = h.data.subarray(row * C, (row + 1) * C);
    const center = x.reduce((sum, value) => sum + value, 0) / C;
    const variance = x.reduce((sum, value) => sum + (value - center) ** 2, 0) / C;
    mean.data[row] = center;
    rstd.data[row] = 1 / Math.sqrt(variance + epsilon);
    for (let c = 0; c < C; c++) {
      y.data[row * C + c] = gain.data[c] * (x[c] - center) * rstd.data[row] + bias.data[c];
    }
  }
  return [y, mean, rstd];
}

/** m x, or x itself without dropout. */
function dropped(x: NdArray, dropout: Dropout | undefined, key: NdArray | undefined): NdArray {
  if (!dropout || !key) return x;
  const [seed, update, microBatch] = key.data;
  const randomKey = { seed, update, microBatch, stream: dropout.stream };
  const y = NdArray.of(x.shape, x.data);
  for (let i = 0; i < y.size; i++) y.data[i] *= dropoutMultiplier(i, dropout.p, randomKey);
  return y;
}

export function layerNormReference(
  { epsilon }: LayerNormAttributes,
  [x, gain, bias]: readonly NdArray[],
): NdArray[] {
  return normalize(x, gain, bias, epsilon);
}

export function residualDropoutNormReference(
  { epsilon, dropout }: ResidualNormAttributes,
  [x, residual, gain, bias, key]: readonly NdArray[],
): NdArray[] {
  const h = dropped(x, dropout, key);
  const sum = NdArray.of(h.shape, h.data);
  for (let i = 0; i < sum.size; i++) sum.data[i] += residual.data[i];
  const [y, mean, rstd] = normalize(sum, gain, bias, epsilon);
  return [y, sum, mean, rstd];
}

export function normGradientReference(
  { skip, dropout }: NormGradientAttributes,
  inputs: readonly NdArray[],
): NdArray[] {
  const [h, gain, mean, rstd, dy, ...rest] = inputs;
  const skipped = skip ? rest[0] : undefined;
  const key = rest[skip ? 1 : 0];
  const C = gain.size;
  const dh = NdArray.zeros(h.shape);
  const [dgain, dbias] = [0, 1].map(() => NdArray.zeros([C]));
  for (let row = 0; row < mean.size; row++) {
    const first = row * C;
    const n = (c: number): number => (h.data[first + c] - mean.data[row]) * rstd.data[row];
    let sum = 0;
    let dot = 0;
    for (let c = 0; c < C; c++) {
      const g = dy.data[first + c] * gain.data[c];
      sum += g / C;
      dot += (g * n(c)) / C;
      dgain.data[c] += dy.data[first + c] * n(c);
      dbias.data[c] += dy.data[first + c];
    }
    for (let c = 0; c < C; c++) {
      const g = dy.data[first + c] * gain.data[c];
      dh.data[first + c] =
        rstd.data[row] * (g - sum - n(c) * dot) + (skipped?.data[first + c] ?? 0);
    }
  }
  return dropout ? [dh, dgain, dbias, dropped(dh, dropout, key)] : [dh, dgain, dbias];
}

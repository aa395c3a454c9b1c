// What attention means. Float64, plain loops, one score at a time, never fast.
import type { Shape, TensorSpec } from "../../src/tensor/shape.ts";
import { NdArray } from "../nd_array.ts";
import { dropoutMultiplier, type RandomKey } from "../random/philox.ts";
import type { CachedAttributes } from "./cached.ts";
import {
  type AttentionAttributes,
  type AttentionExtents,
  attentionExtents,
  firstStart,
  optionalInputs,
} from "./shapes.ts";
import type { SourceAttributes } from "./source.ts";
import type { WeightsAttributes } from "./weights.ts";

/** Rows of queries (t) or of keys (s). */
type Side = "T" | "S";

/** One head of one sentence. */
class Head {
  constructor(
    readonly extents: AttentionExtents,
    readonly b: number,
    readonly h: number,
    /** Where the packed rows of each sentence begin, and whether keys are packed too. */
    private readonly packed: { readonly starts: Float64Array; readonly keys: boolean } | undefined,
  ) {}

  /** The first row of a sentence among those of all. */
  private first(side: Side, b: number): number {
    const isPacked = side === "T" || this.packed?.keys;
    return this.packed && isPacked ? this.packed.starts[b] : b * this.extents[side];
  }

  /** Rows of this sentence. */
  count(side: Side): number {
    return this.first(side, this.b + 1) - this.first(side, this.b);
  }

  /** Number of a row among those of all sentences. */
  row(side: Side, row: number): number {
    return this.first(side, this.b) + row;
  }

  /** Index of column d of a row in an array of E columns. */
  at(side: Side, row: number, d: number): number {
    const { E, D } = this.extents;
    return this.row(side, row) * E + this.h * D + d;
  }

  /** Sum over d of x[row i] y[row j]. */
  dot(x: NdArray, xSide: Side, i: number, y: NdArray, ySide: Side, j: number): number {
    let sum = 0;
    for (let d = 0; d < this.extents.D; d++) {
      sum += x.data[this.at(xSide, i, d)] * y.data[this.at(ySide, j, d)];
    }
    return sum;
  }

  /** y[row j] += factor x[row i]. */
  addScaled(
    y: NdArray,
    ySide: Side,
    j: number,
    factor: number,
    x: NdArray,
    xSide: Side,
    i: number,
  ) {
    for (let d = 0; d < this.extents.D; d++) {
      y.data[this.at(ySide, j, d)] += factor * x.data[this.at(xSide, i, d)];
    }
  }
}

/** Of queries and keys, and, at the end, of integers. */
const specsOf = (inputs: readonly NdArray[]): TensorSpec[] =>
  inputs.map(({ shape }, n) => ({ shape, dtype: n < 2 ? "f32" : "i32" }));

function* headsOf(
  name: string,
  attributes: AttentionAttributes,
  inputs: readonly NdArray[],
): Generator<Head> {
  const extents = attentionExtents(name, attributes, specsOf(inputs));
  const packed = attributes.packed && {
    starts: inputs[inputs.length - 1].data.subarray(firstStart(attributes)),
    keys: attributes.packed.keys,
  };
  for (let b = 0; b < extents.B; b++) {
    for (let h = 0; h < extents.H; h++) yield new Head(extents, b, h, packed);
  }
}

/** Probabilities of query t over all keys, and the log of the sum behind them. */
function probabilities(
  head: Head,
  { scale, causal }: { scale: number; causal: boolean },
  q: NdArray,
  k: NdArray,
  padding: NdArray | undefined,
  t: number,
): { p: number[]; lse: number } {
  const scores: number[] = [];
  for (let s = 0; s < head.count("S"); s++) {
    const masked =
      (causal && s > t) || (padding !== undefined && padding.data[head.row("S", s)] !== 0);
    scores.push(masked ? -Infinity : scale * head.dot(q, "T", t, k, "S", s));
  }
  const max = Math.max(...scores, -Infinity);
  if (max === -Infinity) return { p: scores.map(() => 0), lse: 0 };
  const lse = max + Math.log(scores.reduce((sum, x) => sum + Math.exp(x - max), 0));
  return { p: scores.map((x) => Math.exp(x - lse)), lse };
}

/** Dropout multipliers of query t's probabilities; ones without dropout. */
function multipliers(
  head: Head,
  dropout: AttentionAttributes["dropout"],
  key: NdArray | undefined,
  t: number,
) {
  const { S, T, H } = head.extents;
  const result = new Array<number>(S).fill(1);
  if (!dropout || !key) return result;
  const [seed, update, microBatch] = key.data;
  const randomKey: RandomKey = { seed, update, microBatch, stream: dropout.stream };
  const first = ((head.b * H + head.h) * T + t) * S;
  return result.map((_, s) => dropoutMultiplier(first + s, dropout.p, randomKey));
}

export function attentionReference(
  attributes: AttentionAttributes,
  inputs: readonly NdArray[],
): NdArray[] {
  const [q, k, v] = inputs;
  const at = optionalInputs(attributes, 3);
  const padding = at.padding === undefined ? undefined : inputs[at.padding];
  const key = at.key === undefined ? undefined : inputs[at.key];
  const out = NdArray.zeros(q.shape);
  const { B, T, H } = attentionExtents("attention", attributes, specsOf(inputs));
  const lse = NdArray.zeros([B, H, T]);
  for (const head of headsOf("attention", attributes, inputs)) {
    for (let t = 0; t < head.count("T"); t++) {
      const row = probabilities(head, attributes, q, k, padding, t);
      const m = multipliers(head, attributes.dropout, key, t);
      lse.data[(head.b * H + head.h) * T + t] = row.lse;
      for (const [s, p] of row.p.entries()) head.addScaled(out, "T", t, p * m[s], v, "S", s);
    }
  }
  return [out, lse];
}

export function attentionGradientReference(
  attributes: AttentionAttributes,
  inputs: readonly NdArray[],
): NdArray[] {
  const [q, k, v, out, , dout] = inputs;
  const at = optionalInputs(attributes, 6);
  const padding = at.padding === undefined ? undefined : inputs[at.padding];
  const key = at.key === undefined ? undefined : inputs[at.key];
  const [dq, dk, dv] = [q, k, v].map(({ shape }) => NdArray.zeros(shape));
  for (const head of headsOf("attention_gradient", attributes, inputs)) {
    for (let t = 0; t < head.count("T"); t++) {
      const { p } = probabilities(head, attributes, q, k, padding, t);
      const m = multipliers(head, attributes.dropout, key, t);
      const delta = head.dot(dout, "T", t, out, "T", t);
      for (const [s, probability] of p.entries()) {
        const dp = m[s] * head.dot(dout, "T", t, v, "S", s);
        const ds = probability * (dp - delta) * attributes.scale;
        head.addScaled(dq, "T", t, ds, k, "S", s);
        head.addScaled(dk, "S", s, ds, q, "T", t);
        head.addScaled(dv, "S", s, probability * m[s], dout, "T", t);
      }
    }
  }
  return [dq, dk, dv];
}

export function weightsReference(
  attributes: WeightsAttributes,
  [q, k, padding]: readonly (NdArray | undefined)[] & readonly [NdArray, NdArray],
): NdArray[] {
  const inputs = [q, k];
  const { B, T, S } = attentionExtents("attention_weights", attributes, specsOf(inputs));
  const shape: Shape = [B, T, S];
  const weights = NdArray.zeros(shape);
  for (const head of headsOf("attention_weights", attributes, inputs)) {
    if (head.h >= attributes.selected) continue;
    for (let t = 0; t < T; t++) {
      const { p } = probabilities(head, attributes, q, k, padding, t);
      for (let s = 0; s < S; s++)
        weights.data[(head.b * T + t) * S + s] += p[s] / attributes.selected;
    }
  }
  return [weights];
}

export function weightsGradientReference(
  attributes: WeightsAttributes,
  [q, k, dweights, padding]: readonly (NdArray | undefined)[] &
    readonly [NdArray, NdArray, NdArray],
): NdArray[] {
  const inputs = [q, k];
  const { T, S } = attentionExtents("attention_weights_gradient", attributes, specsOf(inputs));
  const [dq, dk] = inputs.map(({ shape }) => NdArray.zeros(shape));
  for (const head of headsOf("attention_weights_gradient", attributes, inputs)) {
    if (head.h >= attributes.selected) continue;
    for (let t = 0; t < T; t++) {
      const { p } = probabilities(head, attributes, q, k, padding, t);
      const dp = p.map((_, s) => dweights.data[(head.b * T + t) * S + s] / attributes.selected);
      const delta = p.reduce((sum, x, s) => sum + x * dp[s], 0);
      for (let s = 0; s < S; s++) {
        const ds = p[s] * (dp[s] - delta) * attributes.scale;
        head.addScaled(dq, "T", t, ds, k, "S", s);
        head.addScaled(dk, "S", s, ds, q, "T", t);
      }
    }
  }
  return [dq, dk];
}

export function cachedReference(
  { heads, scale }: CachedAttributes,
  [q, keys, values, ancestors, length]: readonly NdArray[],
): NdArray[] {
  const [R, E] = q.shape;
  const L = keys.shape[1];
  const D = E / heads;
  const n = Math.min(length.data[0], L);
  const out = NdArray.zeros(q.shape);
  for (let r = 0; r < R; r++) {
    for (let h = 0; h < heads; h++) {
      const first = (j: number): number => (ancestors.data[r * L + j] * L + j) * E + h * D;
      const scores = Array.from({ length: n }, (_, j) => {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += q.data[r * E + h * D + d] * keys.data[first(j) + d];
        return scale * dot;
      });
      const max = Math.max(...scores, -Infinity);
      const total = scores.reduce((sum, x) => sum + Math.exp(x - max), 0);
      for (const [j, score] of scores.entries()) {
        const p = Math.exp(score - max) / total;
        for (let d = 0; d < D; d++) out.data[r * E + h * D + d] += p * values.data[first(j) + d];
      }
    }
  }
  return [out];
}

/** As attention over what each row's sentence has in its slot. */
export function sourceReference(
  { heads, scale }: SourceAttributes,
  [q, keys, values, padding, slots, width]: readonly NdArray[],
): NdArray[] {
  const [R, E] = q.shape;
  const D = E / heads;
  const S = width.data[0];
  const out = NdArray.zeros(q.shape);
  for (let r = 0; r < R; r++) {
    const slot = slots.data[Math.floor((r * slots.size) / R)];
    const visible = Array.from({ length: S }, (_, j) => j).filter(
      (j) => padding.data[slot * S + j] === 0,
    );
    for (let h = 0; h < heads; h++) {
      const own = r * E + h * D;
      const scores = visible.map((j) => {
        let dot = 0;
        for (let d = 0; d < D; d++) {
          dot += q.data[own + d] * keys.data[(slot * E + h * D + d) * S + j];
        }
        return scale * dot;
      });
      const max = Math.max(...scores, -Infinity);
      const total = scores.reduce((sum, x) => sum + Math.exp(x - max), 0);
      for (const [i, j] of visible.entries()) {
        const p = Math.exp(scores[i] - max) / total;
        for (let d = 0; d < D; d++) {
          out.data[own + d] += p * values.data[(slot * S + j) * E + h * D + d];
        }
      }
    }
  }
  return [out];
}

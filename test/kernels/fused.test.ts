// Fused ops against the plain ops they stand for, on every device.
import { expect, test } from "bun:test";
import { attention, attentionWeights, cachedAttention } from "../../kernels/attention/index.ts";
import { add, affine, mul } from "../../kernels/elementwise/index.ts";
import { accuracy, labelSmoothedNll } from "../../kernels/loss/index.ts";
import { matmul } from "../../kernels/matmul/index.ts";
import { layerNorm, residualDropoutNorm } from "../../kernels/norm/index.ts";
import { dropout } from "../../kernels/random/index.ts";
import { sum } from "../../kernels/reduce/index.ts";
import { logSoftmaxTopK, topK } from "../../kernels/search/index.ts";
import { logSoftmax, logSumExp, softmax } from "../../kernels/softmax/index.ts";
import { read } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { ShapeError } from "../../src/tensor/shape.ts";
import { constant, scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { onEveryDevice } from "../support/devices.ts";
import { seededRandom } from "../support/random.ts";

const random = seededRandom(41);

const normals = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return constant(
    Float32Array.from({ length: size }, () => random.normal()),
    shape,
  );
};

const integers = (values: readonly number[], ...shape: number[]): Tensor =>
  constant(Int32Array.from(values), shape);

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 1e-5): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    expect(Math.abs(got[i] - want[i])).toBeLessThanOrEqual(tolerance * (1 + Math.abs(want[i])));
  }
}

onEveryDevice((device) => {
  test("cachedAttention() over ancestors equals attention() over the gathered past", async () => {
    const [R, L, E, heads, length] = [3, 6, 8, 2, 4];
    const q = normals(R, E);
    const keys = normals(R, L, E);
    const values = normals(R, L, E);
    const ancestors = Array.from({ length: R * L }, () => random.int(0, R - 1));
    const cached = cachedAttention(q, keys, values, integers(ancestors, R, L), integers([length]), {
      heads,
    });
    const [keyData, valueData] = [await read(device, keys), await read(device, values)];
    const gathered = [keyData, valueData].map((data) => {
      const past = new Float32Array(R * length * E);
      for (let r = 0; r < R; r++) {
        for (let j = 0; j < length; j++) {
          const first = (ancestors[r * L + j] * L + j) * E;
          past.set(data.slice(first, first + E), (r * length + j) * E);
        }
      }
      return constant(past, [R, length, E]);
    });
    const queries = constant(Float32Array.from(await read(device, q)), [R, 1, E]);
    const full = attention(queries, gathered[0], gathered[1], { heads });
    expectClose(await read(device, cached), await read(device, full));
  });

  test("attention() and its gradient equal softmax() between two products", async () => {
    const [B, T, D] = [2, 37, 64];
    const [q, k, v, weights] = [0, 1, 2, 3].map(() => normals(B, T, D));
    const hidden = Array.from({ length: B * T }, (_, i) =>
      i % T >= T - 5 * Math.floor(i / T) ? 1 : 0,
    );
    const bias = constant(
      Float32Array.from({ length: B * T * T }, (_, i) => {
        const [b, t, s] = [Math.floor(i / (T * T)), Math.floor(i / T) % T, i % T];
        return s > t || hidden[b * T + s] === 1 ? -1e9 : 0;
      }),
      [B, T, T],
    );
    const fused = attention(q, k, v, {
      ...{ heads: 1, causal: true, scale: 0.125 },
      keyPadding: integers(hidden, B, T),
    });
    const scores = affine(matmul(q, k, { transB: true }), 0.125, 0); // (B, T, T)
    const plain = matmul(softmax(add(scores, bias)), v); // (B, T, D)
    expectClose(await read(device, fused), await read(device, plain));
    const gradients = [fused, plain].map((out) => gradient(sum(mul(out, weights)), [q, k, v]));
    for (const operand of [0, 1, 2]) {
      const [got, want] = gradients.map((of) => read(device, of[operand]));
      expectClose(await got, await want, 3e-5);
    }
  });

  test("attentionWeights() rows sum to 1 over the keys that are not padding", async () => {
    const padding = integers([0, 0, 1, 1, 0, 0, 0, 0], 2, 4);
    const weights = attentionWeights(normals(2, 3, 6), normals(2, 4, 6), {
      heads: 3,
      keyPadding: padding,
    });
    const data = Float32Array.from(await read(device, weights));
    for (let row = 0; row < 6; row++) {
      const p = data.slice(4 * row, 4 * row + 4);
      expect(p.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      if (row < 3) expect([p[2], p[3]]).toEqual([0, 0]);
    }
  });

  test("residualDropoutNorm() draws the mask of dropout()", async () => {
    const [x, residual, gain, bias] = [normals(5, 9), normals(5, 9), normals(9), normals(9)];
    const key = integers([12, 3, 1, 0], 4);
    const [y, h] = residualDropoutNorm(x, residual, gain, bias, 1e-5, { p: 0.4, stream: 7, key });
    const plain = add(residual, dropout(x, 0.4, key, 7));
    expect(await read(device, h)).toEqual(await read(device, plain));
    expectClose(await read(device, y), await read(device, layerNorm(plain, gain, bias)));
  });

  test("labelSmoothedNll() equals its formula over logSoftmax()", async () => {
    const [N, V, epsilon, padding] = [4, 7, 0.2, 1];
    const logits = normals(N, V);
    const target = [3, padding, 0, 6];
    const p = Float32Array.from(await read(device, logSoftmax(logits)));
    let [wantLoss, wantNll] = [0, 0];
    for (const [row, y] of target.entries()) {
      if (y === padding) continue;
      const logP = p.slice(row * V, (row + 1) * V);
      const share = epsilon / (V - 1);
      wantNll -= logP[y];
      wantLoss -= (1 - epsilon - share) * logP[y] + share * logP.reduce((a, b) => a + b, 0);
    }
    const [loss, nll] = labelSmoothedNll(logits, integers(target, N), { epsilon, padding });
    expectClose(await read(device, loss), [wantLoss]);
    expectClose(await read(device, nll), [wantNll]);
  });

  test("labelSmoothedNll() computes one gradient, beside the loss and after it", async () => {
    const [N, V, options] = [6, 2051, { epsilon: 0.1, padding: 1 }];
    const logits = normals(N, V);
    const target = integers([3, 1, 0, 6, 2050, 2], N);
    const of = (differentiate: boolean, factor: number) => {
      const [loss] = labelSmoothedNll(logits, target, { ...options, differentiate });
      return gradient(mul(loss, scalar(factor)), [logits])[0];
    };
    for (const factor of [1, 2.5]) {
      expectClose(await read(device, of(true, factor)), await read(device, of(false, factor)));
    }
    const [loss] = labelSmoothedNll(logits, target, options);
    const [lossToo] = labelSmoothedNll(logits, target, { ...options, differentiate: true });
    expectClose(await read(device, lossToo), await read(device, loss));
  });

  test("accuracy() counts the first of equal logits", async () => {
    const logits = constant(Float32Array.of(1, 2, 2, 5, 5, 0, 0, 0, 9), [3, 3]);
    const [correct, total] = accuracy(logits, integers([1, 1, 2], 3), { padding: -1 });
    expect(await read(device, correct)).toEqual(Float32Array.of(2));
    expect(await read(device, total)).toEqual(Float32Array.of(3));
  });

  test("logSoftmaxTopK() is topK() of logSoftmax() plus the bias", async () => {
    const [N, V, k] = [3, 50, 6];
    const logits = normals(N, V);
    const bias = new Float32Array(V);
    bias[4] = Number.NEGATIVE_INFINITY;
    bias[9] = 3;
    const [values, indices, lse] = logSoftmaxTopK(logits, k, { bias: constant(bias, [V]) });
    const spread = constant(
      Float32Array.from({ length: N * V }, (_, i) => bias[i % V]),
      [N, V],
    );
    const [wantValues, wantIndices] = topK(add(logSoftmax(logits), spread), k);
    expectClose(await read(device, values), await read(device, wantValues));
    expect(await read(device, indices)).toEqual(await read(device, wantIndices));
    expectClose(await read(device, lse), await read(device, logSumExp(logits)));
  });

  test("softmax() does not overflow on logits of 10,000", async () => {
    const x = constant(Float32Array.of(1e4, 1e4), [1, 2]);
    expectClose(await read(device, softmax(x)), [0.5, 0.5]);
  });
});

test("attention() names the op and the shapes it refuses", () => {
  const [q, k] = [normals(2, 3, 8), normals(2, 4, 8)];
  expect(() => attention(q, k, k, { heads: 3 })).toThrow(ShapeError);
  expect(() => attention(q, k, k, { heads: 2, causal: true })).toThrow(/attention: .*\(2, 3, 8\)/);
  expect(() => attention(q, normals(1, 4, 8), k, { heads: 2 })).toThrow(/batches 2 and 1 differ/);
});

test("attention() and layerNorm() refuse integers, whose bits are no floats", () => {
  const [q, whole] = [normals(2, 3, 8), integers(new Array<number>(48).fill(1), 2, 3, 8)];
  for (const operands of [
    [whole, q, q],
    [q, whole, q],
    [q, q, whole],
  ] as const) {
    expect(() => attention(...operands, { heads: 2 })).toThrow(ShapeError);
  }
  expect(() => attentionWeights(q, whole, { heads: 2 })).toThrow("queries and keys are floats");
  const [gain, ones] = [normals(8), integers(new Array<number>(8).fill(1), 8)];
  expect(() => layerNorm(whole, gain, gain)).toThrow("layer_norm: i32(2, 3, 8)");
  expect(() => layerNorm(q, ones, gain)).toThrow("gain and bias must be f32(8)");
  expect(() => residualDropoutNorm(q, whole, gain, gain)).toThrow("x and residual must be alike");
});

test("ops with dropout inside refuse a probability that keeps nothing, and a key of another kind", () => {
  const [q, gain, key] = [normals(2, 3, 8), normals(8), integers([1, 2, 3, 0], 4)];
  const attend = (p: number, by: Tensor) => () =>
    attention(q, q, q, { heads: 2, dropout: { p, key: by, stream: 1 } });
  const normalise = (p: number, by: Tensor) => () =>
    residualDropoutNorm(q, q, gain, gain, 1e-5, { p, key: by, stream: 1 });
  const drop = (p: number, by: Tensor) => () => dropout(q, p, by, 1);
  for (const op of [attend, normalise, drop]) {
    for (const p of [1, -0.1, Number.NaN])
      expect(op(p, key)).toThrow(/p is .*, must be in \[0, 1\)/);
    expect(op(0.5, integers([1, 2, 3], 3))).toThrow("the key must be i32");
    expect(op(0.5, normals(4))).toThrow("the key must be i32");
    expect(op(0, key)).not.toThrow();
  }
});

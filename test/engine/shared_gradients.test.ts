// Gradients of what serves several times: each op that can adds its own to those before it.
import { expect, test } from "bun:test";
import { add, mul } from "../../kernels/elementwise/index.ts";
import { embedding } from "../../kernels/embedding/index.ts";
import { linear, matmul } from "../../kernels/matmul/index.ts";
import { reshape } from "../../kernels/movement/index.ts";
import { squareSum } from "../../kernels/reduce/index.ts";
import { read } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { constant, type Tensor } from "../../src/tensor/tensor.ts";
import { onEveryDevice } from "../support/devices.ts";
import { SEED } from "../support/op_checks.ts";
import { seededRandom } from "../support/random.ts";

onEveryDevice((device) => {
  test("gradient() of a table that is looked up and multiplied with is the sum of its gradients", async () => {
    const random = seededRandom(SEED + 5);
    const [V, C, N] = [23, 12, 9];
    const normals = (...shape: number[]): Tensor =>
      constant(
        Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
        shape,
      );
    const tokens = constant(
      Int32Array.from({ length: N }, () => random.int(0, V - 1)),
      [N],
    );
    const [table, x, left] = [normals(V, C), normals(N, C), normals(N, V)];
    const looked = squareSum(mul(embedding(table, tokens, { paddingIndex: 1, scale: 2 }), x));
    const again = squareSum(embedding(table, reshape(tokens, [N, 1])));
    const projected = squareSum(linear(x, table));
    const product = squareSum(matmul(left, table));
    const parts = [looked, projected, again, product];
    const total = parts.reduce((sum, part) => add(sum, part));
    const [got] = gradient(total, [table]);
    const want = new Float64Array(V * C);
    for (const part of parts) {
      const [own] = gradient(part, [table]);
      for (const [i, value] of (await read(device, own)).entries()) want[i] += value;
    }
    const before = normals(V, C);
    const [onto] = gradient(total, [table], [before]);
    const sums = await read(device, onto);
    const earlier = await read(device, before);
    const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [i, value] of (await read(device, got)).entries()) {
      expect(Math.abs(value - want[i])).toBeLessThan(1e-5 * largest);
      expect(Math.abs(sums[i] - earlier[i] - want[i])).toBeLessThan(1e-5 * largest);
    }
  });
});

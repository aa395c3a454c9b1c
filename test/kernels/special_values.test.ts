// Infinity, NaN and signed zero, which random examples never hit.
import { expect, test } from "bun:test";
import { attention } from "../../kernels/attention/index.ts";
import {
  exp,
  less,
  log,
  maximum,
  mul,
  relu,
  sigmoid,
  tanh,
  where,
} from "../../kernels/elementwise/index.ts";
import { labelSmoothedNll } from "../../kernels/loss/index.ts";
import { reshape } from "../../kernels/movement/index.ts";
import { max, sum, sumTo } from "../../kernels/reduce/index.ts";
import { logSoftmaxTopK } from "../../kernels/search/index.ts";
import { logSumExp } from "../../kernels/softmax/index.ts";
import { compile } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { constant, input, scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { onEveryDevice } from "../support/devices.ts";

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

onEveryDevice((device, name) => {
  const evaluate = async (fn: (x: Tensor) => Tensor, values: readonly number[]) => {
    const run = compile(device, "special values", ({ x }: { x: Tensor }) => ({ y: fn(x) }));
    const result = await run({ x: { data: Float32Array.from(values), shape: [values.length] } });
    const y = [...(await result.y.read())];
    run.release();
    return y;
  };

  test("exp(), tanh() and sigmoid() end where they should", async () => {
    expect((await evaluate(exp, [-200, 0, -infinity])).map((y) => Math.abs(y))).toEqual([0, 1, 0]);
    expect(await evaluate(tanh, [-100, 0, 100])).toEqual([-1, 0, 1]);
    const [low, half, high] = await evaluate(sigmoid, [-200, 0, 200]);
    expect([Math.abs(low) < 1e-37, half, high]).toEqual([true, 0.5, 1]);
  });

  test("where() leaves no trace of what it did not choose, nor does its gradient", async () => {
    const chosen = (x: Tensor): Tensor => where(less(x, scalar(1)), x, scalar(nan));
    expect(await evaluate(chosen, [0.5, -infinity])).toEqual([0.5, -infinity]);
    const slope = (x: Tensor): Tensor => gradient(sum(chosen(x)), [x])[0];
    expect(await evaluate(slope, [0.5, 4, nan])).toEqual([1, 0, 0]);
  });

  // WGSL lets a shader assume that there is neither NaN nor infinity.
  if (!name.startsWith("webgpu")) {
    test("NaN survives maximum(), relu(), max() and sum()", async () => {
      expect(await evaluate((x) => maximum(x, mul(x, x)), [nan, 2])).toEqual([nan, 4]);
      expect(await evaluate(relu, [nan, -1, infinity])).toEqual([nan, 0, infinity]);
      expect(await evaluate((x) => max(x), [1, nan, 3, 4, 5])).toEqual([nan]);
      expect(await evaluate((x) => sum(x), [1, nan])).toEqual([nan]);
    });

    test("attention() passes NaN on, and gives zeros where every key is masked", async () => {
      const attend = (padding: readonly number[]) => (x: Tensor) => {
        const keyPadding = constant(Int32Array.from(padding), [1, 3]);
        const q = reshape(x, [1, 3, 1]);
        // Values without NaN: it can only come from the scores.
        const values = constant(Float32Array.of(1, 1, 1), [1, 3, 1]);
        return reshape(attention(q, q, values, { heads: 1, keyPadding }), [3]);
      };
      expect(await evaluate(attend([0, 0, 0]), [nan, nan, nan])).toEqual([nan, nan, nan]);
      expect(await evaluate(attend([0, 0, 0]), [1, nan, 2])).toEqual([nan, nan, nan]);
      expect(await evaluate(attend([1, 1, 1]), [1, 2, 3])).toEqual([0, 0, 0]);
    });

    test("a log-sum-exp starts with -infinity and goes on with numbers, or with NaN", async () => {
      const V = 5000;
      const banned = (last: number) => new Array<number>(V - 1).fill(-infinity).concat(last);
      const target = constant(Int32Array.of(V - 1), [1]);
      const loss = (x: Tensor) => {
        const logits = reshape(x, [1, V]);
        return labelSmoothedNll(logits, target, { epsilon: 0, padding: 1 })[0];
      };
      const search = (x: Tensor) => reshape(logSoftmaxTopK(reshape(x, [1, V]), 1)[2], [1]);
      const row = (x: Tensor) => logSumExp(reshape(x, [1, V]));
      for (const [last, lse] of [
        [3, 3],
        [nan, nan],
        [-infinity, -infinity],
      ]) {
        expect(await evaluate(search, banned(last))).toEqual([lse]);
        expect(await evaluate(row, banned(last))).toEqual([lse]);
      }
      expect(await evaluate(loss, banned(3))).toEqual([0]);
      expect(await evaluate(loss, banned(nan))).toEqual([nan]);
      const nanFirst = [nan, ...new Array<number>(V - 1).fill(0)];
      for (const fn of [loss, search, row]) expect(await evaluate(fn, nanFirst)).toEqual([nan]);
      const nanChunk = nanFirst.map((value, v) => (v < 2048 ? nan : value));
      for (const fn of [loss, search, row]) expect(await evaluate(fn, nanChunk)).toEqual([nan]);
    });

    test("exp() and log() reach infinity", async () => {
      expect(await evaluate(exp, [89, infinity, nan])).toEqual([infinity, infinity, nan]);
      expect(await evaluate(log, [0, infinity, -1])).toEqual([-infinity, infinity, nan]);
    });
  }
});

test("sumTo() refuses a shape that x is no broadcast of", () => {
  const x = input("x", { shape: [2, 3], dtype: "f32" });
  expect(() => sumTo(x, [2, 2])).toThrow("sumTo: f32(2, 3): is no broadcast of (2, 2)");
  expect(() => sumTo(x, [1, 2, 3])).toThrow("has fewer axes");
});

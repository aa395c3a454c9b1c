// Infinity, NaN and signed zero, which random examples never hit.
import { expect, test } from "bun:test";
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
import { max, sum, sumTo } from "../../kernels/reduce/index.ts";
import { compile } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { input, scalar, type Tensor } from "../../src/tensor/tensor.ts";
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

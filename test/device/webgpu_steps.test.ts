// What a training step asks of the GPU once it is warm: one submit, nothing made anew, no wait.
import { describe, expect, test } from "bun:test";
import { labelSmoothedNll } from "../../kernels/loss/index.ts";
import { linear } from "../../kernels/matmul/index.ts";
import { adam, clipCoefficient } from "../../kernels/optimizer/index.ts";
import { squareSum } from "../../kernels/reduce/index.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { compile } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { assign, readVariable } from "../../src/engine/trace.ts";
import { f32 } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { countingDevice } from "../support/counting_gpu.ts";
import { seededRandom } from "../support/random.ts";
import { webgpu } from "../support/webgpu.ts";

function stepTests(own: WebGpuDevice): void {
  test("N training steps are N submits, and make no object after the first", async () => {
    const { device, counts } = countingDevice(own);
    const random = seededRandom(8);
    const [N, C, V] = [6, 8, 12];
    const [weight, m, v] = ["weight", "m", "v"].map((name) => new Variable(name, f32(V, C)));
    device.write(
      weight,
      Float32Array.from({ length: V * C }, () => random.normal()),
    );
    type Input = "x" | "target" | "scalars" | "one" | "bias";
    const step = compile(device, "step", (inputs: Readonly<Record<Input, Tensor>>) => {
      const w = readVariable(weight);
      const logits = linear(inputs.x, w, inputs.bias);
      const [loss] = labelSmoothedNll(logits, inputs.target, { epsilon: 0.1, padding: -1 });
      const [dw] = gradient(loss, [w]);
      const multiplier = clipCoefficient(squareSum(dw), inputs.one, 1);
      const moments = [readVariable(m), readVariable(v)] as const;
      const updated = adam(w, dw, ...moments, inputs.scalars, multiplier);
      for (const [i, variable] of [weight, m, v].entries()) assign(variable, updated[i]);
      return { loss };
    });
    const run = (number: number) =>
      step({
        x: { data: Float32Array.from({ length: N * C }, () => random.normal()), shape: [N, C] },
        target: { data: Int32Array.from({ length: N }, (_, i) => (i + number) % V), shape: [N] },
        bias: { data: new Float32Array(V), shape: [V] },
        scalars: { data: Float32Array.of(0.1, 0.9, 0.98, 1e-8, 0, 0.1, 0.02, 0), shape: [8] },
        one: { data: Float32Array.of(1), shape: [] },
      }).loss;
    expect(Number.isFinite((await run(0).read())[0])).toBe(true);
    counts.clear();
    // Losses are read when all steps are under way: nothing between them waits.
    const steps = 5;
    const losses = Array.from({ length: steps }, (_, i) => run(i + 1));
    expect(counts.get("submit")).toBe(steps);
    for (const loss of losses) expect(Number.isFinite((await loss.read())[0])).toBe(true);
    // A buffer per unread loss, all but one of them new; later steps take them from the pool.
    expect(counts.get("createBuffer") ?? 0).toBeLessThanOrEqual(steps);
    counts.clear();
    const more = Array.from({ length: steps }, (_, i) => run(i + 7));
    for (const loss of more) await loss.read();
    expect(Object.fromEntries(counts)).toEqual({ submit: steps, mapAsync: steps });
    step.release();
    for (const variable of [weight, m, v]) device.free(variable);
  });
}

const device = webgpu;
if ("reason" in device) test.skip(`training steps (${device.reason})`, () => {});
else describe("training steps on webgpu", () => stepTests(device));

// Adapters bind few buffers to one kernel: no op may ask for more than those that weft accepts.
import { expect, test } from "bun:test";
import { ops } from "../../kernels/index.ts";
import type { GpuDispatch, GpuFacts } from "../../kernels/op.ts";
import { KERNEL_OPERANDS } from "../../src/device/webgpu/adapter.ts";
import { examplesOf } from "../support/op_checks.ts";

const facts: GpuFacts = {
  ...{ f16: true, maxWorkgroupSize: 256, maxWorkgroupMemory: 32_768 },
  ...{ maxWorkgroupsPerDimension: 65_535, subgroups: { min: 32, max: 32 } },
  subgroupMatrix: undefined,
};

test("kernels have at most as many operands as an adapter must offer, and one has so many", () => {
  let most = 0;
  for (const op of ops) {
    for (const { attributes, inputs } of examplesOf(op)) {
      const outputs = op.infer(attributes, inputs);
      const chosen = op.webgpu({ attributes, inputs, outputs }, facts);
      const dispatches: GpuDispatch[] =
        "candidates" in chosen
          ? chosen.candidates.flatMap((candidate) => [...candidate.dispatches()])
          : [chosen].flat();
      for (const { bindings } of dispatches) {
        most = Math.max(most, bindings.length);
        if (bindings.length > KERNEL_OPERANDS) {
          throw new Error(`${op.name} binds ${bindings.length} operands`);
        }
      }
    }
  }
  expect(most).toBe(KERNEL_OPERANDS);
});

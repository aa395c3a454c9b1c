import { expect, test } from "bun:test";
import type { Op } from "../../kernels/op.ts";
import { findAdapter } from "../../src/device/webgpu/adapter.ts";
import { ErrorWatch } from "../../src/device/webgpu/errors.ts";
import { isUnavailable } from "../../src/device/webgpu/provider.ts";
import { startWebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { f32 } from "../../src/tensor/shape.ts";

/** What ErrorWatch uses of a GPUDevice; scopes answer with `scopeError`. */
function fakeDevice(scopeError: string | undefined) {
  let lose: (info: { reason: string; message: string }) => void = () => {};
  const lost = new Promise((resolve) => {
    lose = resolve;
  });
  const device = {
    lost,
    onuncapturederror: undefined as ((event: { error: Error }) => void) | undefined,
    pushErrorScope() {},
    popErrorScope: async () => (scopeError ? { message: scopeError } : null),
  };
  return { device, gpu: device as unknown as GPUDevice, lose };
}

test("ErrorWatch.guard() returns what was made and later names who made the mistake", async () => {
  const errors = new ErrorWatch(fakeDevice("no such binding").gpu, "adapter");
  expect(errors.guard("softmax (2, 3)", "validation", () => 42)).toBe(42);
  await expect(errors.settled()).rejects.toThrow("webgpu: softmax (2, 3): no such binding");
  expect(() => errors.check()).toThrow("softmax (2, 3)");
});

test("ErrorWatch.settled() is silent when nothing went wrong", async () => {
  const errors = new ErrorWatch(fakeDevice(undefined).gpu, "adapter");
  errors.guard("add", "validation", () => undefined);
  await errors.settled();
  errors.check();
});

test("ErrorWatch reports errors outside of any scope", () => {
  const { device, gpu } = fakeDevice(undefined);
  const errors = new ErrorWatch(gpu, "adapter");
  device.onuncapturederror?.({ error: new Error("bad submit") });
  expect(() => errors.check()).toThrow("bad submit");
});

test("ErrorWatch says that the device was lost, and why, but not when we closed it", async () => {
  const unplugged = fakeDevice(undefined);
  const errors = new ErrorWatch(unplugged.gpu, "GeForce RTX");
  unplugged.lose({ reason: "unknown", message: "unplugged" });
  const refusal = new Error("mapping was aborted");
  await expect(errors.explain(refusal)).rejects.toThrow("GeForce RTX was lost (unplugged)");

  const closed = fakeDevice(undefined);
  const quiet = new ErrorWatch(closed.gpu, "GeForce RTX");
  quiet.close();
  closed.lose({ reason: "destroyed", message: "" });
  await expect(quiet.explain(refusal)).rejects.toThrow("mapping was aborted");
});

// A device with a failed kernel stays failed, so this one is opened for the test alone.
const found = await findAdapter({ name: "software", listedOnly: true });
if (isUnavailable(found)) test.skip(`a broken kernel is named (${found.reason})`, () => {});
else {
  test("read() of a result names the op whose kernel does not compile", async () => {
    const device = await startWebGpuDevice(found);
    const broken = {
      name: "broken",
      webgpu: () => ({
        code: "@compute @workgroup_size(1) fn main() { let x: f32 = 1u; }",
        bindings: [{ output: 0 }],
        workgroups: [1, 1, 1],
      }),
    };
    const prepared = device.prepare({
      name: "test",
      buffers: [{ kind: "temporary", bytes: 8, first: 0, last: 1 }],
      values: [{ spec: f32(2), buffer: 0, offset: 0 }],
      instructions: [
        { op: broken as unknown as Op<unknown>, attributes: {}, inputs: [], outputs: [0] },
      ],
      inputs: [],
      outputs: [{ name: "y", value: 0 }],
    });
    const [result] = prepared.run([]);
    await expect(result.read()).rejects.toThrow("webgpu: broken  -> (2)");
    expect(() => prepared.run([])).toThrow("webgpu: broken");
    await device.close();
  });
}

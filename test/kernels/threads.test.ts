// The promise behind exact resumption: neither the number of threads nor the place in memory changes a bit.
import { afterAll, expect, test } from "bun:test";
import { ops } from "../../kernels/index.ts";
import type { Example } from "../../kernels/op.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import type { Device } from "../../src/device/device.ts";
import { compile } from "../../src/engine/compile.ts";
import { applyAll, type Tensor } from "../../src/tensor/tensor.ts";
import { hasHalves } from "../support/op_checks.ts";
import { seededRandom } from "../support/random.ts";

const alone = await openCpuDevice({ threads: 1, blas: "none" });
const shared = await openCpuDevice({ threads: 3, blas: "none" });
const high = await openCpuDevice({ threads: 2, blas: "none" });
// Reserved, never touched: costs no memory, and everything else of this device lies above it.
high.allocate(2.2 * 2 ** 30);

afterAll(async () => {
  await alone.close();
  await shared.close();
  await high.close();
});

for (const op of ops) {
  test(`${op.name}() gives the same bits on one thread and on three`, async () => {
    for (const example of op.examples(seededRandom(5))) {
      if (hasHalves(op, example)) continue;
      const one = await outputsOf(alone, op, example);
      const three = await outputsOf(shared, op, example);
      expect(three).toEqual(one);
    }
  });

  test(`${op.name}() gives the same bits beyond 2 GiB`, async () => {
    const [example] = op.examples(seededRandom(5));
    expect(await outputsOf(high, op, example)).toEqual(await outputsOf(alone, op, example));
  });
}

/** The bytes of every output, in order. */
async function outputsOf(device: Device, op: (typeof ops)[number], example: Example<unknown>) {
  const run = compile(device, op.name, (inputs: Record<string, Tensor>) => {
    const ordered = example.inputs.map((_, index) => inputs[`x${index}`]);
    const outputs = applyAll(op, example.attributes, ...ordered);
    return Object.fromEntries(outputs.map((output, index) => [`y${index}`, output]));
  });
  const results = run(
    Object.fromEntries(
      example.inputs.map(({ shape, dtype, data }, index) => [
        `x${index}`,
        { shape, data: dtype === "i32" ? Int32Array.from(data) : Float32Array.from(data) },
      ]),
    ),
  );
  const bytes: number[][] = [];
  for (const name of Object.keys(results).sort()) {
    const { buffer, byteOffset, byteLength } = await results[name].read();
    bytes.push([...new Uint8Array(buffer, byteOffset, byteLength)]);
  }
  run.release();
  return bytes;
}

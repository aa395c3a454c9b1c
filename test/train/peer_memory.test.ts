import { afterAll, expect, test } from "bun:test";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import type { Device } from "../../src/device/device.ts";
import { PeerMemory } from "../../src/train/peer_memory.ts";
import { toyTrainer } from "../support/toy_training.ts";

const device = await openCpuDevice({ threads: 1, blas: "none" });
afterAll(() => device.close());

/** Only that it has no memory of this process matters: numbers are copied to and fro. */
const apart: Device = Object.create(device, { shared: { value: undefined } });

const MUCH = 8 * 2 ** 20;

for (const [where, on] of [
  ["in the device's memory", device],
  ["beside a device", apart],
] as const) {
  test(`PeerMemory makes room for more micro-batches ${where}, and leaves the rest alone`, () => {
    const { parameters } = toyTrainer(device).options;
    const values = parameters.segments.map((segment) => segment.values);
    const memory = new PeerMemory({
      ...{ device: on, gradients: parameters, common: values, others: [] },
      ...{ microBatches: 2, scratchBytes: (_, count) => count * MUCH },
    });
    const { numbers } = memory;
    expect(numbers).toMatchObject({ microBatches: 2, scratch: { bytes: 2 * MUCH } });
    expect(memory.makeRoom(1)).toBeUndefined();
    expect(memory.makeRoom(2)).toBeUndefined();
    const room = memory.makeRoom(9);
    expect(room).toMatchObject({ microBatches: 9, scratch: { bytes: 9 * MUCH } });
    expect(memory.numbers).toEqual({ ...numbers, ...room });
    const { address, bytes } = memory.numbers.scratch;
    const scratch = new Uint8Array(numbers.memory.buffer, address, bytes).fill(255);
    expect(scratch.at(-1)).toBe(255);
    for (const block of [...numbers.gradients, ...numbers.state]) {
      const apartFrom =
        block.address + 4 * block.elements <= address || block.address >= address + bytes;
      expect(apartFrom).toBe(true);
    }
  });
}

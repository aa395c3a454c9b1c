// What a step computes depends on its batch, the seed and the device alone.
import { expect, test } from "bun:test";
import type { Device } from "../../src/device/device.ts";
import { onEveryDevice } from "../support/devices.ts";
import { countPrograms, toyBatch, toyTrainer } from "../support/toy_training.ts";

/** Losses, norms and parameters of a training on batches of other shapes each. */
async function train(device: Device, updates: number, keepsPlans: boolean) {
  const counted = countPrograms(device);
  const trainer = toyTrainer(counted.device);
  const numbers: number[] = [];
  let most = 0;
  for (let update = 0; update < updates; update++) {
    const { sums, gradientNorm } = await trainer.update(toyBatch(update % 5, 4, 9), 1);
    numbers.push(sums.losses.loss, gradientNorm);
    most = Math.max(most, counted.alive());
    if (!keepsPlans) trainer.release();
  }
  const parameters: unknown[] = [];
  for (const { values } of trainer.options.parameters.segments) {
    parameters.push(await device.read(values));
  }
  trainer.release();
  expect(counted.alive()).toBe(0);
  return { state: { numbers, parameters }, most };
}

onEveryDevice((device) => {
  test("Trainer.update() gives the same bits twice, and with every plan made anew", async () => {
    const first = await train(device, 8, true);
    expect(first.most).toBe(6); // five shapes of batches, and the update
    expect(first.state.numbers.every(Number.isFinite)).toBe(true);
    expect((await train(device, 8, true)).state).toEqual(first.state);
    const anew = await train(device, 8, false);
    expect(anew.most).toBe(2);
    expect(anew.state).toEqual(first.state);
  }, 60_000);
});

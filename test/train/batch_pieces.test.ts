// Batches that are computed in pieces, so that fewer activations are alive at once.
import { expect, test } from "bun:test";
import type { Device } from "../../src/device/device.ts";
import { cutBatch, pieceCount, pieceKey } from "../../src/train/batch_pieces.ts";
import { onEveryDevice } from "../support/devices.ts";
import { toyBatch, toyTrainer } from "../support/toy_training.ts";

const tokens = (sentences: number, width: number) => ({
  data: Int32Array.from({ length: sentences * width }, (_, i) => i),
  shape: [sentences, width],
});

test("cutBatch() gives every sentence to one piece, in order", () => {
  const sample = {
    srcTokens: tokens(7, 3),
    prevOutputTokens: tokens(7, 2),
    target: tokens(7, 2),
    padding: 1,
  };
  expect(pieceCount(sample, 5 * 7)).toBe(1);
  expect(pieceCount(sample, 5 * 7 - 1)).toBe(2);
  expect(pieceCount(sample, 1)).toBe(7);
  expect(pieceCount(sample, Number.POSITIVE_INFINITY)).toBe(1);
  for (const pieces of [1, 2, 3, 7]) {
    const cut = cutBatch(sample, pieces);
    for (const name of ["srcTokens", "prevOutputTokens", "target"] as const) {
      expect(cut.flatMap((piece) => [...piece[name].data])).toEqual([...sample[name].data]);
      for (const piece of cut) {
        const { data, shape } = piece[name];
        expect(shape).toEqual([piece.target.shape[0], sample[name].shape[1]]);
        expect(data.length).toBe(shape[0] * shape[1]);
      }
    }
  }
});

test("pieceKey() draws for the first piece as for a whole batch, for others differently", () => {
  const key = { seed: 1, update: 2, microBatch: 3 };
  expect(pieceKey(key, 0)).toEqual(key);
  expect(pieceKey(key, 1).microBatch).not.toBe(pieceKey({ ...key, microBatch: 4 }, 0).microBatch);
});

/** Losses and gradient norms of some updates, and the largest plan's temporaries. */
async function train(device: Device, pieceBytes: number | undefined, dropout: number) {
  const limited: Device = Object.create(device, {
    pieceBytes: { value: pieceBytes },
    prepare: { value: device.prepare.bind(device) },
  });
  const trainer = toyTrainer(limited, dropout);
  const numbers: number[] = [];
  for (let update = 0; update < 3; update++) {
    const { sums, gradientNorm } = await trainer.update(toyBatch(4, 9, 12), 1);
    numbers.push(sums.losses.loss, sums.losses.nll_loss, gradientNorm);
  }
  const bytes = trainer.plan([8, 12, 12]);
  const pieces = trainer.pieces([8, 12, 12]);
  trainer.release();
  return { numbers, bytes, pieces };
}

onEveryDevice((device) => {
  // Others never cut a batch.
  if (device.kind !== "cpu") return;
  test("Trainer.update() in pieces is the update of the whole batch, and needs less memory", async () => {
    const whole = await train(device, undefined, 0);
    const cut = await train(device, whole.bytes / 3, 0);
    expect(whole.pieces).toBe(1);
    expect(cut.pieces).toBeGreaterThan(2);
    expect(cut.bytes).toBeLessThan(whole.bytes);
    for (const [at, number] of cut.numbers.entries()) {
      expect(Math.abs(number / whole.numbers[at] - 1)).toBeLessThan(1e-4);
    }
  }, 60_000);

  test("Trainer.update() in pieces gives the same bits twice, with dropout too", async () => {
    const once = await train(device, 2 ** 16, 0.3);
    expect(once.numbers.every(Number.isFinite)).toBe(true);
    expect(await train(device, 2 ** 16, 0.3)).toEqual(once);
  }, 60_000);
});

// Whole training runs against fairseq's, update by update: the same sentences in the same batches,
// losses, gradient norms, learning rates and parameters.
import { afterAll, beforeAll, expect } from "bun:test";
import { GroupedIterator } from "../../src/data/counting_iterator.ts";
import { EpochBatchIterator } from "../../src/data/epoch_iterator.ts";
import { type CpuDevice, openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { addSums, emptySums } from "../../src/train/sums.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { expectParameters, flag, goldenBatches, trainerFor } from "./golden_trainer.ts";

interface Sums {
  readonly loss: number;
  readonly nll_loss: number;
  readonly ntokens: number;
  readonly sample_size: number;
}

interface Record_ {
  readonly args: readonly string[];
  readonly updates: readonly {
    update: number;
    epoch: number;
    lr: number;
    ids: readonly (readonly number[])[];
    micro: readonly Sums[];
    sample_size: number;
    gnorm: number;
    /** Absent where --clip-norm is 0. */
    clip: number | null;
  }[];
  readonly valid: readonly { epoch: number; num_updates: number; sums: Sums }[];
  readonly float32_vs_float64: {
    readonly per_update_loss_gnorm: readonly (readonly [
      update: number,
      loss: number,
      norm: number,
    ])[];
  };
}

let device: CpuDevice;
beforeAll(async () => {
  device = await openCpuDevice({ blas: "none" });
});
afterAll(() => device.close());

/**
 * Trains as the golden run did and compares every update.
 *
 * @param stopAt after this update a second trainer takes over, as a restarted process would.
 * @returns the final parameters.
 */
async function follow(name: string, stopAt?: number): Promise<Map<string, Float32Array>> {
  const folder = `training/runs/${name}`;
  const { args, updates, valid, float32_vs_float64 } = readGolden<Record_>(`${folder}/record.json`);
  let trainer = trainerFor(device, args, `${folder}/initial.safetensors`);
  const seed = Number(flag(args, "--seed", "1"));
  const [training, validation] = ["train", "valid"].map((split) => goldenBatches(args, split));
  let iterator = EpochBatchIterator.ofShard({ batches: training.batches, seed });
  const updateFreq = Number(flag(args, "--update-freq", "1"));
  const noise = new Map(float32_vs_float64.per_update_loss_gnorm.map(([u, l, g]) => [u, [l, g]]));

  for (let done = 0; done < updates.length; ) {
    const groups = new GroupedIterator(iterator.nextEpoch(), updateFreq);
    for (const group of groups) {
      const want = updates[done++];
      const { collate } = training;
      const batch = { microBatches: group, collate };
      expect(group.map((ids) => [...collate(ids).ids].sort())).toEqual(
        want.ids.map((ids) => [...ids].sort()),
      );
      const { sums, gradientNorm, lr, clipped, update } = await trainer.update(batch, want.epoch);
      expect(update).toBe(want.update);
      expect(lr).toBeCloseTo(want.lr, 12);
      expect(sums.sampleSize).toBe(want.sample_size);
      const [lossNoise = 0, normNoise = 0] = noise.get(update) ?? [];
      const loss = want.micro.reduce((sum, micro) => sum + micro.loss, 0);
      expect(Math.abs(sums.losses.loss / loss - 1)).toBeLessThan(2e-6 + 10 * lossNoise);
      expect(Math.abs(gradientNorm / want.gnorm - 1)).toBeLessThan(2e-5 + 10 * normNoise);
      expect(clipped ? 100 : 0).toBe(want.clip ?? 0);
      const params = `${folder}/params.u${update}.safetensors`;
      if ([1, 2, 10].includes(update)) await expectParameters(trainer, params, 1e-5);
      const validated = valid.find(({ num_updates }) => num_updates === update);
      if (validated) {
        let total = emptySums();
        for (const ids of validation.batches) {
          const batch = validation.dataset.batch(ids);
          if (batch) total = addSums(total, await trainer.validate(batch));
        }
        expect(total.ntokens).toBe(validated.sums.ntokens);
        expect(Math.abs(total.losses.loss / validated.sums.loss - 1)).toBeLessThan(1e-5);
      }
      if (update === stopAt) {
        const state = iterator.state();
        iterator = EpochBatchIterator.ofShard({ batches: training.batches, seed });
        iterator.loadState(state);
        trainer = await takeOver(
          trainer,
          trainerFor(device, args, `${folder}/initial.safetensors`),
        );
        break;
      }
      if (done === updates.length) break;
    }
  }
  await expectParameters(trainer, `${folder}/final.safetensors`, 2e-4);
  const final = new Map<string, Float32Array>();
  for (const [key, { value }] of trainer.options.parameters.slots) {
    final.set(key, (await device.read(value)) as Float32Array);
  }
  trainer.release();
  return final;
}

/** Hands all state of one trainer to a fresh one. */
async function takeOver(old: Trainer, fresh: Trainer): Promise<Trainer> {
  for (const [key, { value }] of old.options.parameters.slots) {
    device.write(fresh.options.parameters.slot(key).value, await device.read(value));
  }
  for (const [key, { segments }] of old.options.optimizer.state) {
    const target = fresh.options.optimizer.state.get(key)?.segments ?? [];
    for (const [i, segment] of segments.entries())
      device.write(target[i], await device.read(segment));
  }
  fresh.updates = old.updates;
  old.release();
  return fresh;
}

goldenTest(
  "training follows fairseq's run with clipping, warm-up and three epochs",
  "training/runs/a-transformer",
  async () => {
    await follow("a-transformer");
  },
);

goldenTest(
  "training follows fairseq's run with --update-freq 3 and --sentence-avg",
  "training/runs/b-update-freq",
  async () => {
    await follow("b-update-freq");
  },
);

goldenTest(
  "a run stopped at update 25 and taken up again equals one that was not, bit for bit",
  "training/runs/f-resume",
  async () => {
    const { first_part_updates: stopAt, every_update_record_equal_to_a: equal } = readGolden<{
      first_part_updates: number;
      every_update_record_equal_to_a: boolean;
    }>("training/runs/f-resume/resume.json");
    expect(equal).toBe(true);
    const broken = await follow("a-transformer", stopAt);
    const unbroken = await follow("a-transformer");
    for (const [name, values] of unbroken) expect([name, broken.get(name)]).toEqual([name, values]);
  },
);

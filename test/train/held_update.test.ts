// An update that all peers hold is applied while a view is settled, and so before newcomers of the same
// view are told where the run stands.
import { expect, test } from "bun:test";
import { ViewChanged } from "../../cluster/peer/view_changed.ts";
import { EpochBatchIterator } from "../../src/data/epoch_iterator.ts";
import { Company } from "../../src/train/company.ts";
import type { Peers, Settlement } from "../../src/train/peers.ts";
import type { UpdateReport } from "../../src/train/trainer.ts";
import { type RunState, TrainingRun, type TrainingRunParts } from "../../src/train/training_run.ts";

const BATCHES = 4;
const nothing = (): void => undefined;

/** A run of 6 updates, 4 of them an epoch; at update `broken` the peers change, and all hold it. */
async function runBrokenAt(broken: number) {
  const recorded: { updates: number; state: RunState }[] = [];
  const counted: number[] = [];
  const trainer = {
    updates: 0,
    history: [],
    learningRate: () => 1,
    update: async () => {
      if (trainer.updates + 1 === broken && recorded.length === 0) throw new ViewChanged();
      return report();
    },
    applyRows: async () => report(),
  };
  const report = (): UpdateReport => {
    trainer.updates++;
    const sums = { ntokens: 1, nsentences: 1, sampleSize: 1, losses: {} };
    return { update: trainer.updates, lr: 1, gradientNorm: 1, clipped: false, sums };
  };
  const batches = Array.from({ length: BATCHES }, (_, i) => Int32Array.of(i));
  const iterator = EpochBatchIterator.rounds({ batches, seed: 1 });
  const peers = {
    position: { place: 0, count: 1 },
    share: async (_: string, value: string) => [value],
    settle: async ({ applyHeld, record }: Settlement) => {
      if (recorded.length === 0 && trainer.updates > 0) await applyHeld(new Map());
      await record();
    },
  } as unknown as Peers;
  const company = new Company(peers);
  const progress = { advance: nothing, report: nothing, summarize: nothing, close: nothing };
  const parts = {
    config: {
      common: { log_interval: 100 },
      dataset: { curriculum: 0, disable_validation: true, validate_after_updates: 0 },
      optimization: { max_update: 6, max_epoch: 0, update_freq: [1], stop_min_lr: -1 },
      checkpoint: { no_save: true, save_interval: 1, save_interval_updates: 0, patience: -1 },
    },
    ...{ trainer, company, clock: () => 0, validator: {}, save: nothing },
    batches: { epochs: () => iterator, trainingBatch: nothing },
    metrics: {
      update: ({ numUpdates }: { numUpdates: number }) => counted.push(numUpdates),
      wall: () => 0,
      takeEpoch: () => new Map(),
    },
    log: { begin: () => progress, info: nothing },
    interrupt: { breathe: nothing, poll: async () => false, signal: undefined },
  } as unknown as TrainingRunParts;
  const run = new TrainingRun(parts);
  await company.meet({
    async record() {
      if (trainer.updates > 0) {
        recorded.push({ updates: trainer.updates, state: structuredClone(run.state) });
      }
      return "";
    },
    restore: async () => 1,
    suspended: async () => undefined,
  });
  await run.run(1);
  return { recorded, counted };
}

test("TrainingRun tells newcomers of the place behind an update that it applies in their view", async () => {
  const { recorded, counted } = await runBrokenAt(3);
  expect(counted).toEqual([1, 2, 3, 4, 5, 6]);
  expect(recorded).toHaveLength(1);
  const [{ updates, state }] = recorded;
  expect(updates).toBe(3);
  expect(state.position).toMatchObject({ epoch: 1, iterations_in_epoch: 3 });
  expect(state.pending).toEqual({ epoch: 1, endOfEpoch: false });
});

test("TrainingRun tells newcomers what follows an update that ends an epoch", async () => {
  const { recorded } = await runBrokenAt(BATCHES);
  const [{ updates, state }] = recorded;
  expect(updates).toBe(BATCHES);
  expect(state.position).toMatchObject({ epoch: 2, iterations_in_epoch: 0 });
  expect(state.pending).toEqual({ epoch: 1, endOfEpoch: true });
});

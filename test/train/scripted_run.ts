// A run of 6 updates, 4 of them an epoch, without a model: what its trainer and its peers do, a test says.
import { EpochBatchIterator } from "../../src/data/epoch_iterator.ts";
import { Company } from "../../src/train/company.ts";
import type { Peers } from "../../src/train/peers.ts";
import type { UpdateReport } from "../../src/train/trainer.ts";
import { TrainingRun, type TrainingRunParts } from "../../src/train/training_run.ts";

export const BATCHES = 4;
const nothing = (): void => undefined;

export interface Script {
  readonly peers: Pick<Peers, "position" | "share" | "settle">;
  /** Called before each update. */
  readonly beforeUpdate?: (update: number) => void;
  readonly checkpoint?: Readonly<Record<string, unknown>>;
  readonly save?: (path: string, updates: number) => Promise<void>;
}

export function scriptedRun({ peers, beforeUpdate, checkpoint, save }: Script) {
  const counted: number[] = [];
  const trainer = {
    updates: 0,
    history: [],
    learningRate: () => 1,
    update: async () => {
      beforeUpdate?.(trainer.updates + 1);
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
  const company = new Company(peers as Peers);
  const progress = { advance: nothing, report: nothing, summarize: nothing, close: nothing };
  const parts = {
    config: {
      common: { log_interval: 100 },
      dataset: { curriculum: 0, disable_validation: true, validate_after_updates: 0 },
      optimization: { max_update: 6, max_epoch: 0, update_freq: [1], stop_min_lr: -1 },
      checkpoint: {
        ...{ no_save: true, save_interval: 1, save_interval_updates: 0, patience: -1 },
        ...{ checkpoint_suffix: "", best_checkpoint_metric: "loss", keep_best_checkpoints: 0 },
        ...checkpoint,
      },
    },
    ...{ trainer, company, clock: () => 0, validator: {} },
    save: async (path: string) => await save?.(path, trainer.updates),
    batches: { epochs: () => iterator, trainingBatch: nothing },
    metrics: {
      update: ({ numUpdates }: { numUpdates: number }) => counted.push(numUpdates),
      wall: () => 0,
      takeEpoch: () => new Map(),
    },
    log: { begin: () => progress, info: nothing },
    interrupt: { breathe: nothing, poll: async () => false, signal: undefined },
  } as unknown as TrainingRunParts;
  return { run: new TrainingRun(parts), company, trainer, counted };
}

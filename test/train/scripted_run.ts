// A run of 6 updates, 4 of them an epoch, without data: what its trainer and its peers do, a test says.

import { EpochBatchIterator } from "../../src/data/epoch_iterator.ts";
import type { LanguagePairBatch } from "../../src/data/language_pair_batch.ts";
import { Company } from "../../src/train/company.ts";
import type { Peers } from "../../src/train/peers.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { TrainingRun, type TrainingRunParts } from "../../src/train/training_run.ts";
import type { StartedUpdate, UpdateReport } from "../../src/train/update_report.ts";

export const BATCHES = 4;
const nothing = (): void => undefined;

export interface Script {
  /** Absent: it trains alone. */
  readonly peers?: Pick<Peers, "position" | "share" | "settle">;
  /** Whether updates count when they are begun, as on a device that computes beside the host. */
  readonly runsAhead?: boolean;
  /** Hears what happens: "begin 1", "hear 1". */
  readonly tell?: (event: string) => void;
  /** Called when it is asked what an update came to. */
  readonly onHear?: (update: number) => void;
  /** Called before each update. */
  readonly beforeUpdate?: (update: number) => void;
  /** A real one, which learns from these batches, instead of one that only tells. */
  readonly real?: { readonly trainer: Trainer; batch(number: number): LanguagePairBatch };
  /** Default 6. */
  readonly updates?: number;
  /** After this one a signal is heard. */
  readonly signalAfter?: number;
  readonly checkpoint?: Readonly<Record<string, unknown>>;
  readonly save?: (path: string, updates: number) => Promise<void>;
}

export function scriptedRun(script: Script) {
  const { peers, runsAhead = false, tell, onHear, beforeUpdate, checkpoint, save } = script;
  const { real, updates: max_update = 6, signalAfter = Number.POSITIVE_INFINITY } = script;
  /** Updates as they are counted; NaN where one was skipped. */
  const counted: number[] = [];
  const trainer = {
    updates: 0,
    history: [],
    learningRate: () => 1,
    runsAhead,
    start: async (): Promise<StartedUpdate> => {
      const update = trainer.updates + 1;
      beforeUpdate?.(update);
      tell?.(`begin ${update}`);
      if (runsAhead) trainer.updates = update;
      return {
        async report() {
          tell?.(`hear ${update}`);
          onHear?.(update);
          trainer.updates = Math.max(trainer.updates, update);
          return reportOf(update);
        },
      };
    },
    applyRows: async () => reportOf(++trainer.updates),
  };
  const reportOf = (update: number): UpdateReport => {
    const sums = { ntokens: 1, nsentences: 1, sampleSize: 1, losses: {} };
    return { update, lr: 1, gradientNorm: 1, clipped: false, sums, nextLr: 1 };
  };
  const batches = Array.from({ length: BATCHES }, (_, i) => Int32Array.of(i));
  const iterator = EpochBatchIterator.rounds({ batches, seed: 1 });
  const company = new Company(peers as Peers | undefined);
  const progress = { advance: nothing, report: nothing, summarize: nothing, close: nothing };
  const parts = {
    config: {
      common: { log_interval: 100 },
      dataset: { curriculum: 0, disable_validation: true, validate_after_updates: 0 },
      optimization: { max_update, max_epoch: 0, update_freq: [1], stop_min_lr: -1 },
      checkpoint: {
        ...{ no_save: true, save_interval: 1, save_interval_updates: 0, patience: -1 },
        ...{ checkpoint_suffix: "", best_checkpoint_metric: "loss", keep_best_checkpoints: 0 },
        ...checkpoint,
      },
    },
    ...{ trainer: real?.trainer ?? trainer, company, clock: () => 0, validator: {} },
    save: async (path: string) => await save?.(path, trainer.updates),
    batches: {
      epochs: () => iterator,
      trainingBatch: (_: number, [number]: Int32Array) => real?.batch(number),
    },
    metrics: {
      update: ({ numUpdates }: { numUpdates: number }) => counted.push(numUpdates),
      skip: () => counted.push(Number.NaN),
      wall: () => 0,
      takeEpoch: () => new Map(),
    },
    log: { begin: () => progress, info: nothing },
    interrupt: {
      breathe: nothing,
      poll: async () => trainer.updates >= signalAfter,
      get signal() {
        return trainer.updates >= signalAfter ? "SIGTERM" : undefined;
      },
    },
  } as unknown as TrainingRunParts;
  return { run: new TrainingRun(parts), company, trainer, counted };
}

// The loop of training: epochs of updates, validations, checkpoints, and the reasons to stop.

import { Cancelled } from "../../cluster/peer/cancelled.ts";
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import type { CommonConfig } from "../config/schemas/common.ts";
import type { DatasetConfig } from "../config/schemas/dataset.ts";
import type { OptimizationConfig } from "../config/schemas/optimization.ts";
import { UserError } from "../config/user_error.ts";
import { GroupedIterator } from "../data/counting_iterator.ts";
import type { EpochBatchIterator, EpochIteratorState, Round } from "../data/epoch_iterator.ts";
import { type Span, timed, timedTurns } from "../device/spans.ts";
import type { BatchSource } from "./batch_source.ts";
import { dueAt, stopReason } from "./checkpoint_policy.ts";
import type { CheckpointRecord } from "./checkpoint_record.ts";
import { StateReplaced } from "./company.ts";
import type { InterruptedRun, LastCheckpoint } from "./device_losses.ts";
import { countValidation, NO_VALIDATION_YET, outOfPatience } from "./early_stopping.ts";
import type { Interrupt } from "./interrupt.ts";
import type { TrainingMetrics } from "./metrics.ts";
import type { EpochProgress } from "./progress.ts";
import type { Rounds } from "./rounds.ts";
import type { Pending, RunState, Saving } from "./run_state.ts";
import { Saver, type SaverParts } from "./saver.ts";
import type { Trainer } from "./trainer.ts";
import type { StartedUpdate, UpdateReport } from "./update_report.ts";
import { type UpdatePlace, UpdatesUnderWay } from "./updates_under_way.ts";
import type { Validator } from "./validator.ts";

export interface TrainingRunConfig {
  readonly common: CommonConfig;
  readonly dataset: DatasetConfig;
  readonly optimization: OptimizationConfig;
  readonly checkpoint: CheckpointConfig;
}

export interface TrainingRunParts extends SaverParts {
  readonly config: TrainingRunConfig;
  readonly trainer: Trainer;
  readonly validator: Validator;
  readonly metrics: TrainingMetrics;
  readonly batches: BatchSource;
  /** What a checkpoint says of the present state besides its tensors. */
  record(run: RunState, iterator: EpochIteratorState): CheckpointRecord;
  readonly interrupt: Interrupt;
  /** Where updates leave what took how long, under --profile. */
  readonly spans?: Span[];
}

/** How a run ended. */
export interface RunEnd {
  readonly reason: string;
  /** The checkpoint that a restart continues from, if one was written. */
  readonly last: string | undefined;
}

export class TrainingRun implements InterruptedRun {
  readonly state: RunState = {
    best: undefined,
    earlyStopping: NO_VALIDATION_YET,
    validated: undefined,
    position: undefined,
    pending: undefined,
  };
  /** If peers train by themselves for some updates at a time. */
  rounds: Rounds | undefined;
  /** The one that it begins with, until an update is made. */
  private epoch = 1;
  private readonly saver: Saver;
  private readonly underWay: UpdatesUnderWay;

  constructor(private readonly parts: TrainingRunParts) {
    this.saver = new Saver(parts, this.state);
    const { clock, spans } = parts;
    this.underWay = new UpdatesUnderWay(clock, (report, place, seconds) => {
      // It is recorded at once: peers that come in the same moment are told of the state with it.
      this.state.position = place.next.position;
      this.state.pending = { epoch: place.epoch, endOfEpoch: place.next.endOfEpoch };
      timed(spans, "log", () => this.recordUpdate(report, place, seconds));
    });
  }

  /** Updates made so far, as far as was heard. */
  get updates(): number {
    const { trainer } = this.parts;
    return trainer.updates - (trainer.runsAhead ? this.underWay.count : 0);
  }

  /** The checkpoint of this run that a restart continues from. */
  get lastCheckpoint(): LastCheckpoint | undefined {
    return this.saver.lastSaved;
  }

  /** Trains until something says stop. @param epoch the first one, or the one that is resumed. */
  async run(epoch: number): Promise<RunEnd> {
    this.epoch = epoch;
    const begun = this.parts.trainer.updates;
    for (let next = epoch; ; ) {
      try {
        const end = await this.runFrom(next);
        if (!this.parts.interrupt.signal) await this.keep(begun);
        return { ...end, last: this.saver.lastSaved?.path };
      } catch (error) {
        if (error instanceof Cancelled) return await this.cancelled();
        if (!(error instanceof StateReplaced)) throw error;
        next = error.epoch;
      }
    }
  }

  /** Training is not over before its end is saved: whoever comes to lead meanwhile saves it. */
  private async keep(begun: number): Promise<void> {
    const { trainer, company } = this.parts;
    const { updates } = trainer;
    if (!company.hasPeers) return;
    await company.ledBy(`end ${updates}`, async () => {
      if (begun !== updates) await this.saver.saveEnd();
    });
  }

  /** Told to stop in the midst of an update, which peers that came or went have made void. */
  private async cancelled(): Promise<RunEnd> {
    const { config, company, interrupt } = this.parts;
    const mine = company.leads && company.isSound && !config.checkpoint.no_save;
    if (mine) await this.saver.saveLast(false, false);
    return this.end(`${interrupt.signal}`);
  }

  private async runFrom(epoch: number): Promise<RunEnd> {
    const { optimization } = this.parts.config;
    const finished = (await this.finishPending()) ?? this.finished();
    if (finished !== undefined) return this.end(finished);
    for (let next = epoch; ; ) {
      if (optimization.max_epoch > 0 && next > optimization.max_epoch) {
        return this.end(`--max-epoch ${optimization.max_epoch} is reached`);
      }
      const lr = this.parts.trainer.learningRate(next);
      if (lr <= optimization.stop_min_lr) {
        return this.end(`learning rate ${lr} <= --stop-min-lr ${optimization.stop_min_lr}`);
      }
      const iterator = this.parts.batches.epochs(next);
      const reason = await this.trainEpoch(iterator);
      if (reason !== undefined) return this.end(reason);
      next = iterator.nextEpochIndex;
    }
  }

  /** Why a run that was started again after its end makes no update more. */
  private finished(): string | undefined {
    const { config, trainer, metrics } = this.parts;
    const reason = stopReason(config.optimization, trainer.updates, metrics.wall() / 3600);
    return reason ?? this.patienceReason();
  }

  private patienceReason(): string | undefined {
    const { checkpoint } = this.parts.config;
    return outOfPatience(checkpoint, this.state.earlyStopping)
      ? `no improvement in the last ${checkpoint.patience} validations`
      : undefined;
  }

  private end(reason: string): RunEnd {
    return { reason, last: this.saver.lastSaved?.path };
  }

  /** What a state that was taken over left to do. @returns why training ends here, if it does. */
  private async finishPending(): Promise<string | undefined> {
    const { pending } = this.state;
    if (!pending) return undefined;
    const progress = this.parts.log.begin({ epoch: pending.epoch, done: 0, size: 0 });
    try {
      if (pending.saving) return await this.save(pending, pending.saving);
      return await this.afterUpdate(pending.epoch, pending.endOfEpoch, progress);
    } finally {
      progress.close();
    }
  }

  /** @returns why training ends here, if it does. */
  private async trainEpoch(iterator: EpochBatchIterator<Round>): Promise<string | undefined> {
    const { log, config, trainer } = this.parts;
    const { update_freq, skip_remainder_batch } = config.optimization;
    this.state.position = iterator.state();
    const { nextEpochIndex: epoch } = iterator;
    const rounds = iterator.nextEpoch({ shuffle: epoch > config.dataset.curriculum });
    const groupSize = update_freq[Math.min(epoch - 1, update_freq.length - 1)];
    const { length } = rounds;
    const groups = new GroupedIterator(rounds, groupSize, skip_remainder_batch);
    if (groups.length === 0) throw withoutUpdate(epoch, length, groupSize);
    const progress = log.begin({ epoch, done: groups.n, size: groups.length });
    try {
      for (const group of groups) {
        const next = { position: iterator.state(), endOfEpoch: !groups.hasNext() };
        const before = trainer.updates;
        const step = async (): Promise<string | undefined> => {
          await this.update(group.flat(), { epoch, next, progress });
          if (trainer.updates === before) {
            return await this.afterSkipped(epoch, next.endOfEpoch, progress);
          }
          return await this.afterUpdate(epoch, next.endOfEpoch, progress);
        };
        const reason = await timedTurns(this.parts.spans, "update", step, "step");
        if (reason !== undefined) return reason;
      }
      return undefined;
    } finally {
      progress.close();
    }
  }

  private async update(microBatches: readonly Int32Array[], place: UpdatePlace): Promise<void> {
    const { trainer, batches, interrupt, company } = this.parts;
    const { epoch } = place;
    const collate = (ids: Int32Array) => batches.trainingBatch(epoch, ids);
    const batch = { microBatches, collate };
    const advance = (start: () => Promise<StartedUpdate>): Promise<void> =>
      this.underWay.advance(start, place, trainer.runsAhead);
    this.rounds?.goesOn(trainer.updates, () => this.record());
    await company.together(
      () => advance(() => trainer.start(batch, epoch, interrupt.breathe)),
      (rows) => advance(async () => ({ report: () => trainer.applyRows(batch, epoch, rows) })),
    );
  }

  private recordUpdate(
    report: UpdateReport,
    { epoch, progress }: UpdatePlace,
    seconds: number,
  ): void {
    const { metrics, config, company, log } = this.parts;
    if (report.overflow) {
      const scale = report.lossScale ?? 0;
      const what = "NOTE: gradient overflow detected, ignoring gradient";
      log.info("train", `${what}, setting loss scale to: ${scale}`);
      metrics.skip(scale);
      progress.advance();
      return;
    }
    this.rounds?.made(report.sums.ntokens, seconds);
    metrics.update({
      sums: report.sums,
      gradientNorm: report.gradientNorm,
      clipped: report.clipped,
      seconds,
      numUpdates: report.update,
      nextLr: report.nextLr,
      lossScale: report.lossScale,
    });
    progress.advance();
    if (report.update % config.common.log_interval === 0) {
      const stats = metrics.takeInner(company.rates());
      company.report({ epoch, ...Object.fromEntries(stats) });
      progress.report("train_inner", stats);
    }
  }

  /** No update was made: what was due at the last one was done then. */
  private async afterSkipped(
    epoch: number,
    endOfEpoch: boolean,
    progress: EpochProgress,
  ): Promise<string | undefined> {
    if (endOfEpoch || this.parts.interrupt.signal) {
      return await this.afterUpdate(epoch, endOfEpoch, progress);
    }
    this.state.pending = undefined;
    return undefined;
  }

  /** Validates, saves and stops as configured. */
  private async afterUpdate(
    epoch: number,
    endOfEpoch: boolean,
    progress: EpochProgress,
  ): Promise<string | undefined> {
    const { trainer, metrics, config, company, spans } = this.parts;
    const { updates } = trainer;
    this.state.pending = { epoch, endOfEpoch };
    const isTimed = config.optimization.stop_time_hours > 0;
    const wall = metrics.wall();
    const hours = (isTimed ? await company.agreed(`wall ${updates}`, () => wall) : wall) / 3600;
    const due = dueAt(config, { epoch, updates, endOfEpoch, hours });
    let reason = due.stop;
    if (endOfEpoch || due.validate || due.save || reason !== undefined) {
      await this.underWay.settle();
      // It was not made after all: what comes next is not what was due at it.
      if (trainer.updates !== updates) {
        return await this.afterSkipped(epoch, endOfEpoch, progress);
      }
    }
    this.state.validated = undefined;
    await this.rounds?.endIfDue(updates, due.validate || due.save || reason !== undefined);
    if (due.validate) {
      reason = (await timedTurns(spans, "validate", () => this.validate(epoch))) ?? reason;
    }
    if (endOfEpoch) {
      trainer.history.push({ updates, validation: this.state.validated ?? null });
      progress.summarize("train", metrics.takeEpoch());
    }
    const save = due.save || reason !== undefined;
    const { validated: value, best } = this.state;
    return await this.save({ epoch, endOfEpoch }, { save, value, best, reason });
  }

  /** Saves as configured, and stops if that is asked for. @returns why training ends here, if it does. */
  private async save(at: Pending, saving: Saving): Promise<string | undefined> {
    const { interrupt, spans } = this.parts;
    const { epoch, endOfEpoch } = at;
    // Newcomers of this moment have only this left to do.
    this.state.pending = { epoch, endOfEpoch, saving };
    await timedTurns(spans, "save", () => this.saver.saveDue(at, saving));
    this.state.pending = undefined;
    const isStopped = await timedTurns(spans, "hear signals", () => interrupt.poll());
    if (saving.reason !== undefined || !isStopped) return saving.reason;
    await this.underWay.settle();
    await this.saver.saveLast(endOfEpoch, saving.save);
    return `${interrupt.signal}`;
  }

  /** @returns why training ends here, if patience is at its end. */
  private async validate(epoch: number): Promise<string | undefined> {
    const { validator, config, trainer } = this.parts;
    const value = await validator.validate(epoch, trainer.updates, this.state.best);
    this.state.validated = value;
    const counted = countValidation(config.checkpoint, this.state.earlyStopping, value);
    this.state.earlyStopping = counted.state;
    return counted.stop ? this.patienceReason() : undefined;
  }

  /**
   * What a checkpoint says of the present state besides its tensors.
   * @param epoch the one to begin with, if no update was made yet.
   */
  record(epoch = this.epoch): CheckpointRecord {
    const { record, batches } = this.parts;
    return record(this.state, this.state.position ?? batches.epochs(epoch).state());
  }

  /** Saves the present state under a name of its own. */
  async saveAs(name: string): Promise<void> {
    await this.saver.saveAs(name);
  }
}

/** Such epochs would follow each other for ever. */
const withoutUpdate = (epoch: number, batches: number, groupSize: number): UserError =>
  new UserError({
    place: "--skip-remainder-batch",
    problem: `epoch ${epoch} has ${batches} batches and an update takes ${groupSize}, so it makes none`,
    remedy: "lower --update-freq or --max-tokens, or leave the flag out",
  });

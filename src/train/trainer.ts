// One training run's state on the device, and what moves it: updates and validations.

import type { EmaConfig } from "../config/schemas/ema.ts";
import type { Criterion, CriterionSums } from "../criterions/criterion.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { Device, Pending, Watch } from "../device/device.ts";
import { type Span, timed, timedTurns } from "../device/spans.ts";
import type { FlatParameters, ParameterState } from "../engine/flat_parameters.ts";
import type { EpochEnd, Schedule } from "../lr_scheduler/schedule.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { BatchShape } from "./batch_source.ts";
import { refuseNotFinite } from "./divergence.ts";
import { emaDecay } from "./ema_policy.ts";
import { hostSample } from "./host_sample.ts";
import { LossScaler, type LossScaling } from "./loss_scaler.ts";
import type { PeerMemory } from "./peer_memory.ts";
import type { Peers } from "./peers.ts";
import type { Rounds } from "./rounds.ts";
import { settleKernels } from "./settle_kernels.ts";
import { addSums, emptySums, readSums } from "./sums.ts";
import { TrainingStep } from "./training_step.ts";
import { type GlobalBatch, planUpdate, type UpdatePlan } from "./update_plan.ts";
import type { StartedUpdate, UpdateReport } from "./update_report.ts";

export interface TrainerOptions {
  readonly device: Device;
  readonly model: EncoderDecoderModel;
  readonly parameters: FlatParameters;
  readonly criterion: Criterion;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly clipNorm: number;
  readonly seed: number;
  readonly ema: EmaConfig;
  /** Under --fp16: parameters are f16 or have an f16 copy. */
  readonly lossScaling?: LossScaling;
  readonly spans?: Span[];
}

export class Trainer {
  /** Updates made so far. */
  updates = 0;
  /** In how many of them each droppable layer took part. */
  layerSteps: readonly number[];
  /** How each finished epoch ended: what some learning rate schedules look back on. */
  history: EpochEnd[] = [];
  /** Moving average of the weights, when there is one. */
  readonly average: ParameterState | undefined;
  /** Under --fp16. */
  readonly scaler: LossScaler | undefined;
  private readonly step: TrainingStep;
  /** Whether the f16 copy of the parameters is that of their values. */
  private isHalved = false;
  private readonly names: readonly string[];
  private peers: Peers | undefined;
  private memory: PeerMemory | undefined;
  /** Updates that are this peer's own until the round ends. */
  private rounds: Rounds | undefined;

  constructor(readonly options: TrainerOptions) {
    const { device, model, parameters, criterion, optimizer, clipNorm, ema, spans } = options;
    const { lossScaling } = options;
    this.scaler = lossScaling && new LossScaler(device, lossScaling);
    this.layerSteps = model.droppableLayers.map(() => 0);
    this.average = ema.store_ema ? parameters.like("ema") : undefined;
    const { average } = this;
    this.step = new TrainingStep({
      device,
      model,
      parameters,
      criterion,
      optimizer,
      clipNorm,
      scaler: this.scaler,
      average,
      spans,
    });
    this.names = this.step.lossNames();
  }

  /**
   * From now on updates are made with others.
   * @param memory through which numbers are exchanged.
   * @param rounds if each peer makes updates by itself for a while.
   */
  trainWith(peers: Peers, memory: PeerMemory, rounds?: Rounds): void {
    this.peers = peers;
    this.memory = memory;
    this.rounds = rounds;
  }

  /** Rate of the next update. */
  learningRate(epoch: number): number {
    return this.options.schedule(this.updates, epoch, this.history);
  }

  /**
   * Goes on where a checkpoint stood.
   *
   * @param layerSteps updates of droppable layers by their names; the others took part in all.
   */
  resumeAt(updates: number, layerSteps: Readonly<Record<string, number>>): void {
    this.updates = updates;
    const { droppableLayers } = this.options.model;
    this.layerSteps = droppableLayers.map(({ name }) => layerSteps[name] ?? updates);
  }

  /** Whether an update counts when it is begun. The average may not move before it is known to be made. */
  private get countsEarly(): boolean {
    return !this.scaler || !this.average;
  }

  /** Starts the average as a copy of the weights. */
  startAverage(): void {
    if (this.average) this.step.moveAverage(0);
  }

  /** Names of the sums that the criterion reports. */
  lossNames(): readonly string[] {
    return this.names;
  }

  /** Bytes of temporaries for training on a batch of this shape: planned, not run. */
  plan(shape: BatchShape): number {
    return this.step.plan(...shape);
  }

  /** Makes the plans of an update of this batch alone, and runs nothing. */
  prepare(batch: LanguagePairBatch): void {
    this.step.prepare(hostSample(batch));
  }

  /** In how many pieces such a batch is computed. */
  pieces(shape: BatchShape): number {
    return this.step.pieces(...shape);
  }

  /** The same as plan(), for validation. */
  planValidation(shape: BatchShape): number {
    return this.step.planValidation(...shape);
  }

  /** One update, from its batches to what it came to: start() and report() in one. */
  async update(
    batch: GlobalBatch,
    epoch: number,
    breathe?: () => Promise<void>,
  ): Promise<UpdateReport> {
    const started = await this.start(batch, epoch, breathe);
    return await started.report();
  }

  /**
   * Whether an update may be started before the one before it was heard of: that pays where the device
   * computes beside the host.
   */
  get runsAhead(): boolean {
    return this.options.device.hold !== undefined && !this.peers && this.countsEarly;
  }

  /**
   * Begins an update from the gradients of all its micro-batches: of the peers' too, if there are any.
   * Nothing is read before all is under way: a device need not wait for the host.
   *
   * @param breathe called between micro-batches, which may run without yielding.
   * @throws ViewChanged if peers came or went: nothing was updated, and the caller settles that.
   */
  async start(
    batch: GlobalBatch,
    epoch: number,
    breathe?: () => Promise<void>,
  ): Promise<StartedUpdate> {
    const plan = timed(this.options.spans, "plan the update", () => this.planUpdate(batch, epoch));
    this.halve();
    const { peers, rounds } = this;
    if (peers && !rounds) {
      const rows = await this.exchange(peers, plan, batch, breathe);
      return { report: () => this.applyRows(batch, epoch, rows) };
    }
    if (plan.present.length === 0) return this.skipUpdate(plan, epoch);
    const { device, spans } = this.options;
    device.hold?.();
    try {
      return await this.startAlone(plan, batch, epoch, breathe);
    } finally {
      timed(spans, "submit", () => device.send?.());
    }
  }

  /**
   * The end of an update whose gradients, those of all peers, lie summed in memory.
   *
   * @param rows the criterion's sums of each micro-batch.
   */
  async applyRows(
    batch: GlobalBatch,
    epoch: number,
    rows: ReadonlyMap<number, readonly number[]>,
  ): Promise<UpdateReport> {
    const plan = this.planUpdate(batch, epoch);
    const sums = plan.present
      .map((number) => this.sumsOf(rows.get(number) ?? []))
      .reduce(addSums, emptySums());
    this.memory?.gradientsIn();
    return await this.startUpdate(plan, batch, epoch, sums.sampleSize, async () => sums).report();
  }

  /** The criterion's sums over batches, in evaluation mode. */
  async validate(batch: LanguagePairBatch): Promise<CriterionSums> {
    this.halve();
    return await readSums(this.step.validate(hostSample(batch)), batch, this.options.criterion);
  }

  /** The sums as numbers that peers tell each other. */
  rowOf({ ntokens, nsentences, losses }: CriterionSums): number[] {
    return [ntokens, nsentences, ...this.names.map((name) => losses[name])];
  }

  /** The sums out of such numbers; of none, nothing. */
  sumsOf([ntokens = 0, nsentences = 0, ...values]: readonly number[]): CriterionSums {
    const sampleSize = this.options.criterion.sampleSize({ ntokens, nsentences });
    const losses = Object.fromEntries(this.names.map((name, i) => [name, values[i] ?? 0]));
    return { ntokens, nsentences, sampleSize, losses };
  }

  /** Gives the plans back. */
  release(): void {
    this.step.release();
  }

  /** Where batches run out, a peer that trains by itself may have none for an update. */
  private skipUpdate({ update, lr }: UpdatePlan, epoch: number): StartedUpdate {
    this.updates = update;
    const nextLr = this.learningRate(epoch);
    const sums = emptySums();
    return { report: async () => ({ update, lr, gradientNorm: 0, clipped: false, sums, nextLr }) };
  }

  /** Gradients of the micro-batches one after the other, then the update. */
  private async startAlone(
    plan: UpdatePlan,
    batch: GlobalBatch,
    epoch: number,
    breathe: (() => Promise<void>) | undefined,
  ): Promise<StartedUpdate> {
    const { criterion } = this.options;
    const pending: Record<string, Pending>[] = [];
    const collated: LanguagePairBatch[] = [];
    for (const [i, number] of plan.present.entries()) {
      if (i > 0) await breathe?.();
      collated.push(this.collate(batch, number));
      await settleKernels(this, collated[i]);
      pending.push(this.startGradients(plan, number, collated[i], i === 0));
    }
    const sampleSize = collated.reduce((sum, each) => sum + criterion.sampleSize(each), 0);
    return this.startUpdate(plan, batch, epoch, sampleSize, async () => {
      let sums = emptySums();
      for (const [i, each] of collated.entries()) {
        sums = addSums(sums, await readSums(pending[i], each, criterion));
      }
      return sums;
    });
  }

  /** Computes this peer's share of an update, while what is final of it is already on its way. */
  private async exchange(
    peers: Peers,
    plan: UpdatePlan,
    batch: GlobalBatch,
    breathe: (() => Promise<void>) | undefined,
  ): Promise<ReadonlyMap<number, readonly number[]>> {
    const { parameters, criterion } = this.options;
    const { isReproducible, position } = peers;
    const { place, count } = position;
    const step = plan.update - 1;
    const begun = performance.now();
    const mine = plan.present.filter((number) => number % count === place);
    const places = [...new Set(plan.present.map((number) => number % count))].sort(ascending);
    peers.begin(step, isReproducible ? plan.present : places);
    const rows: [number, number[]][] = [];
    for (const [i, number] of mine.entries()) {
      if (i > 0) await breathe?.();
      const collated = this.collate(batch, number);
      const isWhole = isReproducible || i === mine.length - 1;
      const slot = isReproducible ? number : place;
      const watch: Watch = {
        variables: parameters.segments.map(({ gradients }) => gradients),
        final: (elements) => peers.final(step, slot, elements),
      };
      await settleKernels(this, collated);
      const isFirst = isReproducible || i === 0;
      const heard = isWhole ? watch : undefined;
      const pending = this.startGradients(plan, number, collated, isFirst, heard);
      rows.push([number, this.rowOf(await readSums(pending, collated, criterion))]);
      if (!isWhole) continue;
      await this.memory?.gradientsOut();
      if (isReproducible) await peers.given(step, slot, parameters.elements);
      else peers.final(step, slot, parameters.elements);
    }
    return await peers.sums(step, rows, (performance.now() - begun) / 1000);
  }

  private collate({ microBatches, collate }: GlobalBatch, number: number): LanguagePairBatch {
    return timed(this.options.spans, "collate", () => collate(microBatches[number]));
  }

  private planUpdate(batch: GlobalBatch, epoch: number): UpdatePlan {
    const { seed, model } = this.options;
    const { updates, layerSteps, rounds } = this;
    return planUpdate(batch, {
      ...{ seed, updates, layerSteps, droppableLayers: model.droppableLayers },
      lr: this.learningRate(epoch),
      // In a round of local updates the others' batches are not of this peer's updates.
      shareOf: (present) => rounds?.shareOf(present) ?? present,
    });
  }

  private startGradients(
    { keys, kept }: UpdatePlan,
    number: number,
    batch: LanguagePairBatch,
    isFirst: boolean,
    watch?: Watch,
  ): Record<string, Pending> {
    const order = isFirst ? "first" : "more";
    return this.step.gradients(hostSample(batch), keys[number], order, kept[number], watch);
  }

  /** The model computes with what it was given: by a checkpoint, or at random. */
  private halve(): void {
    if (this.scaler && !this.isHalved) this.step.halve();
    this.isHalved = true;
  }

  /**
   * Applies the gradients. The update counts from here on; should its gradients have overflowed, that is
   * undone when it is heard of, and an update that was begun meanwhile is void.
   *
   * @param read gives the criterion's sums.
   */
  private startUpdate(
    plan: UpdatePlan,
    { microBatches }: GlobalBatch,
    epoch: number,
    sampleSize: number,
    read: () => Promise<CriterionSums>,
  ): StartedUpdate {
    const { update, lr, trained, layerSteps, present } = plan;
    const { spans, clipNorm } = this.options;
    const letters = trained.map(Number).join("");
    const { norm, scale, counters } = timed(spans, "start the update", () =>
      this.step.apply(lr, [update, ...layerSteps], letters, 1 / (sampleSize || 1)),
    );
    const count = (): number => {
      this.updates = update;
      this.layerSteps = layerSteps;
      this.moveAverage();
      return this.learningRate(epoch);
    };
    const { scaler, layerSteps: layerStepsBefore } = this;
    const nextLr = this.countsEarly ? count() : undefined;
    const report = async (): Promise<UpdateReport> => {
      const sums = await read();
      const [gradientNorm] = await norm.read();
      if (scaler && scale && counters && (await scaler.hear(scale, counters))) {
        this.updates = update - 1;
        this.layerSteps = layerStepsBefore;
        const { loss_scale: lossScale } = scaler.state;
        const told = { update, lr, lossScale, sums, nextLr: lr };
        return { ...told, gradientNorm: 0, clipped: false, overflow: true };
      }
      const ids = present.flatMap((number) => [...microBatches[number]]);
      refuseNotFinite(sums, gradientNorm, update, ids);
      const clipped = clipNorm > 0 && gradientNorm > clipNorm;
      const lossScale = scaler?.state.loss_scale;
      return { update, lr, gradientNorm, clipped, lossScale, sums, nextLr: nextLr ?? count() };
    };
    return { report: () => timedTurns(spans, "read losses", report) };
  }

  private moveAverage(): void {
    const decay = emaDecay(this.options.ema, this.updates);
    if (this.average && decay !== undefined) this.step.moveAverage(decay);
  }
}

const ascending = (a: number, b: number): number => a - b;

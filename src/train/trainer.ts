// One training run's state on the device, and what moves it: updates and validations.

import type { EmaConfig } from "../config/schemas/ema.ts";
import type { Criterion, CriterionSums } from "../criterions/criterion.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { Device, Pending, Watch } from "../device/device.ts";
import { type Span, timed, timedTurns } from "../device/spans.ts";
import type { FlatParameters, ParameterState } from "../engine/flat_parameters.ts";
import type { EpochEnd, Schedule } from "../lr_scheduler/schedule.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { HostRandom } from "../nn/host_random.ts";
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
import { type RandomKey, TrainingStep } from "./training_step.ts";

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

/** The batches that make one update, those of all peers. */
export interface GlobalBatch {
  /** Sentences of each micro-batch; none where a shard has none left. */
  readonly microBatches: readonly Int32Array[];
  collate(ids: Int32Array): LanguagePairBatch;
}

/** All that an update needs to know beforehand: the same on every peer. */
interface UpdatePlan {
  /** Its number, from 1. */
  readonly update: number;
  readonly lr: number;
  /** Numbers of the micro-batches that hold sentences. */
  readonly present: readonly number[];
  /** By number of the micro-batch. */
  readonly keys: readonly RandomKey[];
  readonly kept: readonly string[];
  /** By droppable layer: whether it takes part, and in how many updates it then has. */
  readonly trained: readonly boolean[];
  readonly layerSteps: readonly number[];
}

/** What an update did. */
export interface UpdateReport {
  /** Number of the update, from 1. */
  readonly update: number;
  readonly lr: number;
  /** Norm of the normalised gradient, before clipping. */
  readonly gradientNorm: number;
  readonly clipped: boolean;
  /** Under --fp16, for the next update. */
  readonly lossScale?: number;
  /** Gradients overflowed: nothing but the loss scale has changed, and `update` was not made. */
  readonly overflow?: boolean;
  readonly sums: CriterionSums;
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

  /** In how many pieces such a batch is computed. */
  pieces(shape: BatchShape): number {
    return this.step.pieces(...shape);
  }

  /** The same as plan(), for validation. */
  planValidation(shape: BatchShape): number {
    return this.step.planValidation(...shape);
  }

  /**
   * One update from the gradients of all its micro-batches: of the peers' too, if there are any.
   *
   * @param breathe called between micro-batches, which may run without yielding.
   * @throws UserError if a loss or the gradient is not finite; the state is then not fit to be saved.
   * @throws ViewChanged if peers came or went: nothing was updated, and the caller settles that.
   */
  async update(
    batch: GlobalBatch,
    epoch: number,
    breathe?: () => Promise<void>,
  ): Promise<UpdateReport> {
    const plan = timed(this.options.spans, "plan the update", () => this.planUpdate(batch, epoch));
    this.halve();
    const { peers, rounds } = this;
    if (peers && !rounds) {
      const rows = await this.exchange(peers, plan, batch, breathe);
      return await this.applyRows(batch, epoch, rows);
    }
    // Nothing is read before all is under way: a device need not wait for the host.
    const pending: Record<string, Pending>[] = [];
    const collated: LanguagePairBatch[] = [];
    for (const [i, number] of plan.present.entries()) {
      if (i > 0) await breathe?.();
      collated.push(this.collate(batch, number));
      await settleKernels(this, collated[i]);
      pending.push(this.startGradients(plan, number, collated[i], i === 0));
    }
    if (plan.present.length === 0) return this.skipUpdate(plan);
    const { criterion, spans } = this.options;
    const sampleSize = collated.reduce((sum, each) => sum + criterion.sampleSize(each), 0);
    const decided = this.startUpdate(plan, sampleSize);
    return await timedTurns(spans, "read losses", async () => {
      let sums = emptySums();
      for (const [i, each] of collated.entries()) {
        sums = addSums(sums, await readSums(pending[i], each, criterion));
      }
      return await this.finishUpdate(plan, batch, decided, sums);
    });
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
    return await this.finishUpdate(plan, batch, this.startUpdate(plan, sums.sampleSize), sums);
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
  private skipUpdate({ update, lr }: UpdatePlan): UpdateReport {
    this.updates = update;
    return { update, lr, gradientNorm: 0, clipped: false, sums: emptySums() };
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

  private planUpdate({ microBatches }: GlobalBatch, epoch: number): UpdatePlan {
    const { seed } = this.options;
    const update = this.updates + 1;
    const all = microBatches.flatMap((ids, number) => (ids.length > 0 ? [number] : []));
    // In a round of local updates the others' batches are not of this peer's updates.
    const present = this.rounds?.shareOf(all) ?? all;
    const keys = microBatches.map((_, microBatch) => ({ seed, update, microBatch }));
    const kept = keys.map((key) => this.keptLayers(key));
    const trained = this.layerSteps.map((_, layer) =>
      present.some((number) => kept[number][layer] === "1"),
    );
    const layerSteps = this.layerSteps.map((n, layer) => n + Number(trained[layer]));
    const lr = this.learningRate(epoch);
    return { update, lr, present, keys, kept, trained, layerSteps };
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

  private startUpdate(plan: UpdatePlan, sampleSize: number): ReturnType<TrainingStep["apply"]> {
    const { update, lr, trained, layerSteps } = plan;
    const letters = trained.map(Number).join("");
    return timed(this.options.spans, "start the update", () =>
      this.step.apply(lr, [update, ...layerSteps], letters, 1 / (sampleSize || 1)),
    );
  }

  private async finishUpdate(
    { update, lr, present, layerSteps }: UpdatePlan,
    { microBatches }: GlobalBatch,
    { norm, scale, counters }: ReturnType<TrainingStep["apply"]>,
    sums: CriterionSums,
  ): Promise<UpdateReport> {
    const { clipNorm } = this.options;
    const { scaler } = this;
    const [gradientNorm] = await norm.read();
    if (scaler && scale && counters && (await scaler.hear(scale, counters))) {
      const { loss_scale: lossScale } = scaler.state;
      return { update, lr, gradientNorm: 0, clipped: false, lossScale, overflow: true, sums };
    }
    refuseNotFinite(
      sums,
      gradientNorm,
      update,
      present.flatMap((number) => [...microBatches[number]]),
    );
    this.updates = update;
    this.layerSteps = layerSteps;
    this.moveAverage();
    const clipped = clipNorm > 0 && gradientNorm > clipNorm;
    const lossScale = scaler?.state.loss_scale;
    return { update, lr, gradientNorm, clipped, lossScale, sums };
  }

  private moveAverage(): void {
    const decay = emaDecay(this.options.ema, this.updates);
    if (this.average && decay !== undefined) this.step.moveAverage(decay);
  }

  /** Which layers take part: drawn anew for every micro-batch, from its place in the run alone. */
  private keptLayers({ seed, update, microBatch }: RandomKey): string {
    const { droppableLayers } = this.options.model;
    if (droppableLayers.length === 0) return "";
    const random = HostRandom.named(seed, `layerdrop ${update} ${microBatch}`);
    return droppableLayers.map(({ p }) => (random.uniform() > p ? "1" : "0")).join("");
  }
}

const ascending = (a: number, b: number): number => a - b;

// One training run's state on the device, and what moves it: updates and validations.

import type { EmaConfig } from "../config/schemas/ema.ts";
import type { Criterion, CriterionSums } from "../criterions/criterion.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { Device, Pending, Span } from "../device/device.ts";
import type { FlatParameters, ParameterState } from "../engine/flat_parameters.ts";
import type { EpochEnd, Schedule } from "../lr_scheduler/schedule.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { HostRandom } from "../nn/host_random.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { BatchShape } from "./batch_source.ts";
import { divergence } from "./divergence.ts";
import { emaDecay } from "./ema_policy.ts";
import { hostSample } from "./host_sample.ts";
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
  readonly spans?: Span[];
}

/** What an update did. */
export interface UpdateReport {
  /** Number of the update, from 1. */
  readonly update: number;
  readonly lr: number;
  /** Norm of the normalised gradient, before clipping. */
  readonly gradientNorm: number;
  readonly clipped: boolean;
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
  private readonly step: TrainingStep;

  constructor(readonly options: TrainerOptions) {
    const { device, model, parameters, criterion, optimizer, clipNorm, ema, spans } = options;
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
      average,
      spans,
    });
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
  lossNames(): string[] {
    return this.step.lossNames();
  }

  /** Bytes of temporaries for training on a batch of this shape: planned, not run. */
  plan(shape: BatchShape): number {
    return this.step.plan(...shape);
  }

  /** The same for validation. */
  planValidation(shape: BatchShape): number {
    return this.step.planValidation(...shape);
  }

  /**
   * One update from the gradients of all its micro-batches.
   *
   * @param breathe called between micro-batches, which may run without yielding.
   * @throws UserError if a loss or the gradient is not finite; the state is then not fit to be saved.
   */
  async update(
    batches: readonly LanguagePairBatch[],
    epoch: number,
    breathe?: () => Promise<void>,
  ): Promise<UpdateReport> {
    const { criterion, seed, clipNorm } = this.options;
    const update = this.updates + 1;
    const lr = this.learningRate(epoch);
    const keys = batches.map((_, microBatch) => ({ seed, update, microBatch }));
    const kept = keys.map((key) => this.keptLayers(key));
    const trained = this.layerSteps.map((_, layer) => kept.some((layers) => layers[layer] === "1"));
    const layerSteps = this.layerSteps.map((n, layer) => n + Number(trained[layer]));
    // Nothing is read before all is under way: a device need not wait for the host.
    const pending: Record<string, Pending>[] = [];
    for (const [i, batch] of batches.entries()) {
      if (i > 0) await breathe?.();
      pending.push(this.step.gradients(hostSample(batch), keys[i], kept[i]));
    }
    const sampleSize = batches.reduce((sum, batch) => sum + criterion.sampleSize(batch), 0);
    const letters = trained.map(Number).join("");
    const norm = this.step.apply(lr, [update, ...layerSteps], letters, 1 / (sampleSize || 1));
    let sums = emptySums();
    for (const [i, batch] of batches.entries()) {
      sums = addSums(sums, await readSums(pending[i], batch, criterion));
    }
    const [gradientNorm] = await norm.read();
    refuseNotFinite(sums, gradientNorm, update, batches);
    this.updates = update;
    this.layerSteps = layerSteps;
    this.moveAverage();
    const clipped = clipNorm > 0 && gradientNorm > clipNorm;
    return { update, lr, gradientNorm, clipped, sums };
  }

  /** The criterion's sums over batches, in evaluation mode. */
  async validate(batch: LanguagePairBatch): Promise<CriterionSums> {
    return await readSums(this.step.validate(hostSample(batch)), batch, this.options.criterion);
  }

  /** Gives the plans back. */
  release(): void {
    this.step.release();
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

export const emptySums = (): CriterionSums => ({
  ntokens: 0,
  nsentences: 0,
  sampleSize: 0,
  losses: {},
});

/** Adds what two groups of batches summed up to. */
export function addSums(a: CriterionSums, b: CriterionSums): CriterionSums {
  const losses: Record<string, number> = { ...a.losses };
  for (const [name, value] of Object.entries(b.losses)) losses[name] = (losses[name] ?? 0) + value;
  return {
    ntokens: a.ntokens + b.ntokens,
    nsentences: a.nsentences + b.nsentences,
    sampleSize: a.sampleSize + b.sampleSize,
    losses,
  };
}

/** The sums of a batch, from the device and from its counts. */
export async function readSums(
  pending: Readonly<Record<string, { read(): Promise<ArrayLike<number>> }>>,
  { ntokens, nsentences }: LanguagePairBatch,
  criterion: Criterion,
): Promise<CriterionSums> {
  const losses: Record<string, number> = {};
  for (const [name, value] of Object.entries(pending))
    [losses[name]] = Array.from(await value.read());
  return { ntokens, nsentences, sampleSize: criterion.sampleSize({ ntokens, nsentences }), losses };
}

function refuseNotFinite(
  { losses }: CriterionSums,
  gradientNorm: number,
  update: number,
  batches: readonly LanguagePairBatch[],
): void {
  if (Number.isFinite(losses.loss) && Number.isFinite(gradientNorm)) return;
  const ids = batches.flatMap((batch) => [...batch.ids]);
  throw divergence(
    `update ${update}`,
    `loss ${losses.loss} and gradient norm ${gradientNorm} on sentences ${ids.join(", ")}`,
  );
}

// One training run's state on the device, and what moves it: updates and validations.

import type { EmaConfig } from "../config/schemas/ema.ts";
import type { Criterion, CriterionSums } from "../criterions/criterion.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { Device, Span } from "../device/device.ts";
import type { FlatParameters } from "../engine/flat_parameters.ts";
import type { EpochEnd, Schedule } from "../lr_scheduler/schedule.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { HostRandom } from "../nn/host_random.ts";
import type { Optimizer, OptimizerState } from "../optim/optimizer.ts";
import { divergence } from "./divergence.ts";
import { emaDecay } from "./ema_policy.ts";
import { hostSample } from "./host_sample.ts";
import { TrainingStep } from "./training_step.ts";

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
  /** How each finished epoch ended: what some learning rate schedules look back on. */
  history: EpochEnd[] = [];
  /** Moving average of the weights, when there is one. */
  readonly average: OptimizerState | undefined;
  private readonly step: TrainingStep;

  constructor(readonly options: TrainerOptions) {
    const { device, model, parameters, criterion, optimizer, clipNorm, ema, spans } = options;
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

  /** Starts the average as a copy of the weights. */
  startAverage(): void {
    if (this.average) this.step.moveAverage(0);
  }

  /** Bytes of temporaries for the largest batch: planned, not run. */
  plan(sentences: number, sourceWidth: number, targetWidth: number): number {
    return this.step.plan(sentences, sourceWidth, targetWidth);
  }

  /**
   * One update from the gradients of all its micro-batches.
   *
   * @throws UserError if a loss or the gradient is not finite; the state is then not fit to be saved.
   */
  async update(batches: readonly LanguagePairBatch[], epoch: number): Promise<UpdateReport> {
    const { criterion, seed, clipNorm } = this.options;
    const update = this.updates + 1;
    const lr = this.learningRate(epoch);
    let sums = emptySums();
    for (const [microBatch, batch] of batches.entries()) {
      const key = { seed, update, microBatch };
      const pending = this.step.gradients(hostSample(batch), key, this.keptLayers(key));
      sums = addSums(sums, await readSums(pending, batch, criterion));
    }
    const normalization = 1 / (sums.sampleSize || 1);
    const [gradientNorm] = await this.step.apply(lr, update, normalization).read();
    refuseNotFinite(sums, gradientNorm, update, batches);
    this.updates = update;
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
  private keptLayers({
    seed,
    update,
    microBatch,
  }: {
    seed: number;
    update: number;
    microBatch: number;
  }) {
    const { layerdrop } = this.options.model;
    if (layerdrop.length === 0) return "";
    const random = HostRandom.named(seed, `layerdrop ${update} ${microBatch}`);
    return layerdrop.map((p) => (random.uniform() > p ? "1" : "0")).join("");
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

// The numbers that fairseq logs, under its names, rounded and ordered as it does.
import { z } from "zod";
import type { Criterion, CriterionSums } from "../criterions/criterion.ts";
import { roundTo } from "./log_format_numbers.ts";
import { criterionSums, Stretch, type StretchState, type UpdateMeasures } from "./meters.ts";

/** Values to log, in their order; already rounded. */
export type Stats = ReadonlyMap<string, number>;

/** An update, as the log wants to know it. */
export interface LoggedUpdate extends UpdateMeasures {
  /** Updates made so far, this one included. */
  readonly numUpdates: number;
  /** Rate of the next update: the one that fairseq logs. */
  readonly nextLr: number;
  /** Under mixed precision. */
  readonly lossScale?: number;
}

type Metrics = Pick<Criterion, "metrics">;

const stretch = z.strictObject({
  ntokens: z.number(),
  nsentences: z.number(),
  sample_size: z.number(),
  losses: z.record(z.string(), z.number()),
  updates: z.int(),
  gradient_norms: z.number(),
  clipped: z.int(),
  update_seconds: z.number(),
  seconds: z.number(),
});

/** What a checkpoint keeps of the metrics. */
export const metricsState = z.strictObject({
  train: stretch,
  train_inner: stretch,
  /** What the last update logs beside its means. */
  last: z
    .strictObject({ num_updates: z.int(), lr: z.number(), loss_scale: z.number().nullable() })
    .nullable(),
  /** Seconds trained, over all restarts. */
  wall: z.number(),
});

export type MetricsState = z.infer<typeof metricsState>;

/**
 * The running metrics of training: since the last log line (`train_inner`) and since the epoch
 * began (`train`). Saved and restored, they log what an uninterrupted run logs, times excepted.
 */
export class TrainingMetrics {
  private readonly train: Stretch;
  private readonly inner: Stretch;
  private begun: number;
  private wallBefore = 0;
  private last: MetricsState["last"] = null;

  /**
   * @param clips whether --clip-norm is set: only then is `clip` logged.
   * @param clock seconds, from any origin.
   */
  constructor(
    private readonly criterion: Metrics,
    private readonly clips: boolean,
    private readonly clock: () => number,
  ) {
    this.train = new Stretch(clock);
    this.inner = new Stretch(clock);
    this.begun = clock();
  }

  update(update: LoggedUpdate): void {
    const { numUpdates, nextLr, lossScale = null } = update;
    this.last = { num_updates: numUpdates, lr: nextLr, loss_scale: lossScale };
    this.train.add(update);
    this.inner.add(update);
  }

  /** An update that was not made, for its gradients overflowed. */
  skip(lossScale: number): void {
    if (this.last) this.last = { ...this.last, loss_scale: lossScale };
  }

  /** Means since the last call. @param peers what is logged of the peers, behind fairseq's values. */
  takeInner(peers: Stats = new Map()): Stats {
    return new Map([...this.take(this.inner), ...peers]);
  }

  /** Means of the epoch, which ends here. */
  takeEpoch(): Stats {
    return this.take(this.train);
  }

  /** Seconds trained, over all restarts. */
  wall(): number {
    return this.wallBefore + this.clock() - this.begun;
  }

  /**
   * For a checkpoint. At the end of an epoch take the epoch's means before: a resumed run begins
   * the next epoch, and must not find the last one in its sums.
   */
  state(): MetricsState {
    const [train, train_inner] = [this.train.totals(), this.inner.totals()];
    return { train, train_inner, last: this.last, wall: this.wall() };
  }

  restore(state: MetricsState): void {
    this.train.restore(state.train);
    this.inner.restore(state.train_inner);
    this.last = state.last;
    this.wallBefore = state.wall;
    this.begun = this.clock();
  }

  private take(stretch: Stretch): Stats {
    const totals = stretch.totals();
    stretch.restart();
    const stats = criterionStats(this.criterion, criterionSums(totals));
    addRates(stats, totals, true);
    const { num_updates = 0, lr = 0, loss_scale = null } = this.last ?? {};
    stats.set("num_updates", num_updates);
    stats.set("lr", lr);
    const updates = Math.max(1, totals.updates);
    stats.set("gnorm", roundTo(totals.gradient_norms / updates, 3));
    if (this.clips) stats.set("clip", roundTo((100 * totals.clipped) / updates, 1));
    if (loss_scale !== null) stats.set("loss_scale", roundTo(loss_scale, 4));
    stats.set("train_wall", roundTo(totals.update_seconds, 0));
    stats.set("wall", roundTo(this.wall(), 0));
    return stats;
  }
}

/** What a validation found. */
export interface Validation {
  readonly sums: CriterionSums;
  readonly batches: number;
  readonly seconds: number;
  readonly numUpdates: number;
  /** Further metrics, e.g. bleu. */
  readonly extra?: Readonly<Record<string, number>>;
}

/** The best value of a metric before this validation. */
export interface BestSoFar {
  readonly metric: string;
  readonly value: number | undefined;
  readonly maximize: boolean;
}

/**
 * The metrics of a validation. Its values are also what decides about checkpoints and patience:
 * the rounded ones, as in fairseq. `best_*` appears from the second validation on.
 */
export function validationStats(
  criterion: Metrics,
  validation: Validation,
  best: BestSoFar,
): Stats {
  const { sums, batches, seconds, numUpdates, extra = {} } = validation;
  const stats = criterionStats(criterion, sums);
  for (const [name, value] of Object.entries(extra)) stats.set(name, value);
  const { ntokens, nsentences } = sums;
  addRates(stats, { ntokens, nsentences, updates: batches, seconds }, false);
  stats.set("num_updates", numUpdates);
  const value = stats.get(best.metric);
  if (value !== undefined && best.value !== undefined) {
    const better = best.maximize ? value > best.value : value < best.value;
    stats.set(`best_${best.metric}`, better ? value : best.value);
  }
  return stats;
}

/** The criterion's metrics, losses first: fairseq logs what it derives from them behind them. */
function criterionStats(criterion: Metrics, sums: CriterionSums): Map<string, number> {
  const metrics = Object.entries(criterion.metrics(sums));
  const derived = ([name]: [string, number]) => !/^(.*_)?loss$/.test(name);
  const ordered = [...metrics.filter((metric) => !derived(metric)), ...metrics.filter(derived)];
  return new Map(
    ordered.map(([name, value]) => [name, roundTo(value, name === "ppl" ? 2 : 3)] as const),
  );
}

type Volume = Pick<StretchState, "ntokens" | "nsentences" | "updates" | "seconds">;

/** Words and updates per second, words and sentences per update (or batch). */
function addRates(stats: Map<string, number>, volume: Volume, withUpdates: boolean): void {
  const { ntokens, nsentences, updates, seconds } = volume;
  const perSecond = (count: number) => (seconds > 0 ? count / seconds : 0);
  const perUpdate = (count: number) => (updates > 0 ? count / updates : 0);
  stats.set("wps", roundTo(perSecond(ntokens), 1));
  if (withUpdates) stats.set("ups", roundTo(perSecond(updates), 2));
  stats.set("wpb", roundTo(perUpdate(ntokens), 1));
  stats.set("bsz", roundTo(perUpdate(nsentences), 1));
}

// Which checkpoint files exist after each event of a run, as pure functions. Names and rules are
// fairseq's; where fairseq loses a checkpoint that its flags promise, weft keeps it (see planSave).
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import type { DatasetConfig } from "../config/schemas/dataset.ts";
import type { OptimizationConfig } from "../config/schemas/optimization.ts";
import { tieDigit } from "./checkpoint_tie_digit.ts";
import { improves } from "./early_stopping.ts";
import { formatFixed } from "./log_format_numbers.ts";

/** A moment at which a run may validate, save or stop: after every update. */
export interface Position {
  /** Counted from 1. */
  readonly epoch: number;
  /** Updates made so far. */
  readonly updates: number;
  /** The update was the epoch's last. */
  readonly endOfEpoch: boolean;
  /** Hours trained, over all restarts. */
  readonly hours: number;
}

export interface DuePolicy {
  readonly checkpoint: Pick<CheckpointConfig, "save_interval" | "save_interval_updates">;
  readonly dataset: Pick<
    DatasetConfig,
    | "validate_interval"
    | "validate_interval_updates"
    | "validate_after_updates"
    | "disable_validation"
  >;
  readonly optimization: Pick<OptimizationConfig, "max_update" | "stop_time_hours">;
}

/** What is due; `stop` says why training ends here, for the log. */
export interface Due {
  readonly validate: boolean;
  readonly save: boolean;
  readonly stop: string | undefined;
}

/** What is due after an update. A run that stops validates and saves first. */
export function dueAt(config: DuePolicy, position: Position): Due {
  const { checkpoint, dataset } = config;
  const { epoch, updates, endOfEpoch } = position;
  const every = (interval: number) => interval > 0 && updates > 0 && updates % interval === 0;
  const late = updates >= dataset.validate_after_updates;
  const stop = stopReason(config.optimization, updates, position.hours);
  const save =
    stop !== undefined ||
    (endOfEpoch && epoch % checkpoint.save_interval === 0) ||
    (every(checkpoint.save_interval_updates) && late);
  const validate =
    stop !== undefined ||
    (!endOfEpoch && save) ||
    (endOfEpoch && epoch % dataset.validate_interval === 0) ||
    every(dataset.validate_interval_updates);
  return { stop, save, validate: validate && late && !dataset.disable_validation };
}

/** Why no further update is made, if that is so; true of a finished run that is started again, too. */
export function stopReason(
  { max_update, stop_time_hours }: DuePolicy["optimization"],
  updates: number,
  hours: number,
): string | undefined {
  if (max_update > 0 && updates >= max_update) {
    return `num_updates: ${updates} >= max_update: ${max_update}`;
  }
  return stop_time_hours > 0 && hours > stop_time_hours
    ? `${formatFixed(hours, 2)} hours of training > stop_time_hours: ${stop_time_hours}`
    : undefined;
}

export type SavePolicy = Pick<
  CheckpointConfig,
  | "best_checkpoint_metric"
  | "checkpoint_suffix"
  | "keep_best_checkpoints"
  | "keep_interval_updates"
  | "keep_interval_updates_pattern"
  | "keep_last_epochs"
  | "maximize_best_checkpoint_metric"
  | "no_epoch_checkpoints"
  | "no_last_checkpoints"
  | "no_save"
  | "save_interval"
  | "save_interval_updates"
>;

/** A moment at which files may change. */
export interface SaveEvent extends Omit<Position, "hours"> {
  /** A checkpoint is due, or training stops. */
  readonly save: boolean;
  /** Metric of the validation just made; undefined if there was none. */
  readonly value: number | undefined;
}

/** What to do with the folder. */
export interface SavePlan {
  /** Names that get the present state; the first is written, the others share its content. */
  readonly write: readonly string[];
  /** Best value of the metric so far, this validation included. */
  readonly best: number | undefined;
}

/**
 * Which names get the present state. Three things differ from fairseq, where flags and files
 * disagree: a validation without a due save that finds a new best still writes it (fairseq forgets
 * the value); `keep_best_checkpoints` takes any value until there are that many; NaN is never best.
 *
 * @param best the best value before this event.
 * @param files names now in the folder.
 */
export function planSave(
  config: SavePolicy,
  event: SaveEvent,
  best: number | undefined,
  files: readonly string[],
): SavePlan {
  const { value, save } = event;
  const maximize = config.maximize_best_checkpoint_metric;
  const better = value !== undefined && improves(value, best, maximize);
  const plan = { best: better ? value : best };
  if (config.no_save || !(save || better)) return { ...plan, write: [] };
  const asBest = value === undefined ? [] : bestNames(config, event, value, plan.best, files);
  return {
    ...plan,
    write: save ? [...dueNames(config, event), ...asBest, ...lastName(config)] : asBest,
  };
}

function dueNames(config: SavePolicy, { epoch, updates, endOfEpoch }: SaveEvent): string[] {
  if (endOfEpoch) {
    const due = !config.no_epoch_checkpoints && epoch % config.save_interval === 0;
    return due ? [named(config, `${epoch}`)] : [];
  }
  const { save_interval_updates: interval } = config;
  return interval > 0 && updates % interval === 0 ? [named(config, `_${epoch}_${updates}`)] : [];
}

/** Names for a state of this value: an equal value is newer, and replaces checkpoint_best. */
function bestNames(
  config: SavePolicy,
  { epoch, updates }: SaveEvent,
  value: number,
  best: number | undefined,
  files: readonly string[],
): string[] {
  const names = value === best ? [named(config, "_best")] : [];
  const keep = config.keep_best_checkpoints;
  if (keep <= 0 || Number.isNaN(value)) return names;
  const kept = keptBest(config, files);
  const worst = kept.at(-1)?.value;
  const worthIt =
    worst === undefined ||
    kept.length < keep ||
    value === worst ||
    improves(value, worst, config.maximize_best_checkpoint_metric);
  if (worthIt) {
    const text = `${formatFixed(value, 3)}${tieDigit(epoch, updates, value, keep)}`;
    names.push(named(config, `.best_${config.best_checkpoint_metric}_${text}`));
  }
  return names;
}

const lastName = (config: SavePolicy): string[] =>
  config.no_last_checkpoints ? [] : [named(config, "_last")];

/** Name of the file that a restarted run continues from. */
export const lastCheckpointName = (config: Pick<CheckpointConfig, "checkpoint_suffix">): string =>
  named(config, "_last");

const named = (config: Pick<CheckpointConfig, "checkpoint_suffix">, what: string): string =>
  `checkpoint${what}${config.checkpoint_suffix}.safetensors`;

/**
 * Names that the keep_* flags no longer cover, given what is in the folder after writing.
 * `keep_interval_updates` is applied in mid-epoch only, as in fairseq.
 */
export function planRemoval(
  config: SavePolicy,
  endOfEpoch: boolean,
  files: readonly string[],
): string[] {
  const remove: string[] = [];
  if (!endOfEpoch && config.keep_interval_updates > 0) {
    const pattern = config.keep_interval_updates_pattern;
    const byUpdate = matching(config, files, "_\\d+_(\\d+)").filter(
      ({ value }) => pattern <= 0 || value % pattern !== 0,
    );
    remove.push(...byUpdate.slice(config.keep_interval_updates).map(({ name }) => name));
  }
  if (config.keep_last_epochs > 0) {
    const byEpoch = matching(config, files, "(\\d+)");
    remove.push(...byEpoch.slice(config.keep_last_epochs).map(({ name }) => name));
  }
  if (config.keep_best_checkpoints > 0) {
    const byValue = keptBest(config, files);
    remove.push(...byValue.slice(config.keep_best_checkpoints).map(({ name }) => name));
  }
  return remove;
}

/** Files of --keep-best-checkpoints, best first. */
function keptBest(config: SavePolicy, files: readonly string[]): { name: string; value: number }[] {
  const metric = escaped(config.best_checkpoint_metric);
  const falling = matching(config, files, `\\.best_${metric}_(-?\\d+\\.?\\d*)`);
  return config.maximize_best_checkpoint_metric ? falling : falling.reverse();
}

/** Files named checkpoint{what}{suffix}, by falling value of the pattern's group. */
function matching(config: SavePolicy, files: readonly string[], what: string) {
  const pattern = new RegExp(
    `^checkpoint${what}${escaped(config.checkpoint_suffix)}\\.safetensors$`,
  );
  return files
    .flatMap((name) => {
      const [, value] = pattern.exec(name) ?? [];
      return value === undefined ? [] : [{ name, value: Number(value) }];
    })
    .sort((a, b) => b.value - a.value || (a.name < b.name ? 1 : -1));
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

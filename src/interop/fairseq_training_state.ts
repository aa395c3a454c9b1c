// What a fairseq checkpoint knows about its training run, in today's layout whatever its age.
import { fieldsOf, type Plain, plainObject } from "./plain_values.ts";
import {
  type PickleDict,
  type PickleValue,
  TorchTensor,
} from "./torch_checkpoint/pickle_values.ts";

/** Where a run stood. */
export interface FairseqTrainingState {
  readonly criterionName: string;
  readonly optimizerName: string;
  readonly numUpdates: number;
  readonly lrSchedulerState: { readonly [key: string]: Plain };
  /** `epoch` counts from 1; `iterations_in_epoch` are the batches of it already used. */
  readonly trainIterator: { readonly [key: string]: Plain };
  readonly valLoss: number | undefined;
  readonly best: number | undefined;
  readonly previousTrainingTime: number;
}

/** Reads the training state, filling in what older layouts lacked as fairseq's own loader does. */
export function fairseqTrainingState(state: PickleDict): FairseqTrainingState {
  const history = state.get("optimizer_history");
  const last = plainObject(Array.isArray(history) ? history.at(-1) : oldestHistory(state));
  const extra = extraState(state);
  const iterator = plainObject(extra.get("train_iterator") ?? null);
  const schedulerState = asObject(last.lr_scheduler_state) ?? { best: last.best_loss ?? null };
  return {
    criterionName: String(last.criterion_name ?? ""),
    optimizerName: String(last.optimizer_name ?? "FairseqNAG"),
    numUpdates: Number(last.num_updates ?? 0),
    lrSchedulerState: schedulerState,
    trainIterator: {
      ...(extra.has("train_iterator")
        ? iterator
        : {
            epoch: plainNumber(extra.get("epoch")) ?? 0,
            iterations_in_epoch: plainNumber(extra.get("batch_offset")) ?? 0,
          }),
      ...firstEpoch(iterator, extra),
    },
    valLoss: plainNumber(extra.get("val_loss")),
    best: plainNumber(extra.get("best")) ?? plainNumber(schedulerState.best ?? undefined),
    previousTrainingTime: plainNumber(extra.get("previous_training_time")) ?? 0,
  };
}

/** The layout before there was a history: its fields stood at the top. */
function oldestHistory(state: PickleDict): PickleValue {
  const history = fieldsOf(undefined);
  history.set("criterion_name", "CrossEntropyCriterion");
  history.set("best_loss", state.get("best_loss") ?? null);
  return history;
}

function extraState(state: PickleDict): PickleDict {
  const extra = state.get("extra_state");
  if (extra) return fieldsOf(extra);
  const flat = fieldsOf(undefined);
  for (const key of ["epoch", "batch_offset", "val_loss"]) flat.set(key, state.get(key) ?? null);
  return flat;
}

/** Epochs once counted from 0. */
function firstEpoch(iterator: { [key: string]: Plain }, extra: PickleDict): { epoch: number } {
  const epoch = plainNumber(iterator.epoch) ?? plainNumber(extra.get("epoch")) ?? 1;
  return { epoch: Math.max(epoch, 1) };
}

const asObject = (value: Plain | undefined): { [key: string]: Plain } | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;

const plainNumber = (value: PickleValue | Plain | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;

/** Adam's state of one parameter, or any optimizer's: tensors and numbers by key. */
export interface FairseqParameterState {
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  readonly numbers: { readonly [key: string]: number };
}

/** `last_optimizer_state`: per parameter in the optimizer's order, and the group's settings. */
export interface FairseqOptimizerState {
  /** undefined where a parameter never had a gradient. */
  readonly parameters: readonly (FairseqParameterState | undefined)[];
  readonly group: { readonly [key: string]: Plain };
  readonly lossScale: number | undefined;
}

/** The optimizer's state, or undefined if the file was saved without it. */
export function fairseqOptimizerState(state: PickleDict): FairseqOptimizerState | undefined {
  const optimizer = fieldsOf(state.get("last_optimizer_state"));
  const groups = optimizer.get("param_groups");
  if (!Array.isArray(groups)) return undefined;
  const byId = fieldsOf(optimizer.get("state"));
  const ids = groups.flatMap((group) => {
    const params = fieldsOf(group).get("params");
    return Array.isArray(params) ? params : [];
  });
  const { params: _, ...group } = plainObject(groups[0]);
  return {
    parameters: ids.map((id) => parameterState(byId.get(id as number))),
    group,
    lossScale: plainNumber(optimizer.get("loss_scale")),
  };
}

function parameterState(value: PickleValue | undefined): FairseqParameterState | undefined {
  if (value === undefined) return undefined;
  const tensors = new Map<string, TorchTensor>();
  const numbers: { [key: string]: number } = {};
  for (const [key, item] of fieldsOf(value)) {
    if (item instanceof TorchTensor) tensors.set(String(key), item);
    else if (typeof item === "number") numbers[String(key)] = item;
  }
  return { tensors, numbers };
}

// What a run starts from: its own last checkpoint, one that is named, weights alone, or nothing.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";
import type { EmaConfig } from "../config/schemas/ema.ts";
import { UserError } from "../config/user_error.ts";
import type { EpochIteratorState } from "../data/epoch_iterator.ts";
import type { ParameterState } from "../engine/flat_parameters.ts";
import { type FairseqOptimizer, readFairseqCheckpoint } from "../interop/fairseq_checkpoint.ts";
import { openFileSource } from "../interop/file_source.ts";
import { toFloat32 } from "../interop/stored_tensor.ts";
import { isTorchCheckpoint } from "../interop/torch_checkpoint/torch_checkpoint.ts";
import { loadParameters, type NamedWeight } from "../models/load_parameters.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import type { BatchSource } from "./batch_source.ts";
import { type CheckpointFile, openCheckpoint } from "./checkpoint_file.ts";
import { loadWeights } from "./checkpoint_weights.ts";
import {
  checkpointOfKeptLayers,
  type LayersOrigin,
  savedModelSettings,
  withKeptLayers,
} from "./kept_layers.ts";
import type { TrainingMetrics } from "./metrics.ts";
import { differenceOfDictionaries } from "./other_dictionaries.ts";
import { type RunIdentity, refuseOtherComponents, restoreRecord } from "./run_record.ts";
import { restoreFairseqOptimizer, restoreTensors } from "./snapshot.ts";
import type { Trainer } from "./trainer.ts";
import type { TrainingRun } from "./training_run.ts";

export interface StartParts {
  readonly checkpoint: CheckpointConfig;
  readonly ema: EmaConfig;
  /** Settings of the model, which may name layers to keep of a checkpoint. */
  readonly modelSettings: Readonly<Record<string, unknown>>;
  readonly trainer: Trainer;
  readonly batches: BatchSource;
  readonly metrics: TrainingMetrics;
  readonly identity: RunIdentity;
  readonly run: TrainingRun;
  /** The momentum of --sync-every, if this run trains in rounds. */
  readonly outerMomentum: ParameterState | undefined;
  readonly say: (line: string) => void;
}

/**
 * Brings the trainer to where it goes on from, and says so.
 *
 * @returns the epoch to train next.
 * @throws UserError if a checkpoint that is named is missing, or does not fit.
 */
export function startFrom(parts: StartParts): number {
  const { checkpoint, trainer, say } = parts;
  refuseContradictions(parts);
  const path = checkpointToRestore(checkpoint);
  if (path !== undefined) {
    const torch = isTorchCheckpoint(openFileSource(path));
    return torch ? restoreFairseq(path, parts) : restoreWeft(path, parts);
  }
  const { finetune_from_model: base } = checkpoint;
  if (base === undefined) say("no checkpoint found: starting from the seed");
  else {
    const weights = loadWeights(base);
    const { tensors, record } = weights;
    const { model, device } = trainer.options;
    const origin = { place: base, settings: savedModelSettings(weights) };
    loadParameters(model, device, withKeptLayers(tensors, parts.modelSettings, origin), base);
    const other = record && differenceOfDictionaries(record.dictionaries, parts.identity.task);
    say(`starting from the weights of ${base}${other ? `, although ${other}` : ""}`);
  }
  seedAverage(parts);
  return 1;
}

const DEFAULT_RESTORE = "checkpoint_last.safetensors";

/** The last checkpoint may be absent; one that was asked for may not. */
function checkpointToRestore({ restore_file, save_dir, checkpoint_suffix }: CheckpointConfig) {
  const isDefault = restore_file === DEFAULT_RESTORE;
  const name = isDefault ? `checkpoint_last${checkpoint_suffix}.safetensors` : restore_file;
  const path = [join(save_dir, name), ...(isDefault ? [] : [name])].find((p) => existsSync(p));
  if (path !== undefined || isDefault) return path;
  throw new UserError({
    place: `--restore-file ${restore_file}`,
    problem: `there is no such file, here or in ${save_dir}`,
    remedy: "give the path of a checkpoint, or leave the flag out to start anew",
  });
}

function refuseContradictions({ checkpoint, ema }: StartParts): void {
  if (ema.ema_seed_model !== undefined && !ema.store_ema) {
    throw new UserError({
      place: "--ema-seed-model",
      problem: "says what the average starts from, and no average is kept",
      remedy: "add --store-ema, or leave the flag out",
    });
  }
  if (checkpoint.finetune_from_model === undefined) return;
  const resets = ["reset_optimizer", "reset_lr_scheduler", "reset_meters", "reset_dataloader"];
  const reset = resets.find((key) => checkpoint[key as keyof CheckpointConfig]);
  const given = checkpoint.restore_file === DEFAULT_RESTORE ? reset : "restore_file";
  if (given === undefined) return;
  throw new UserError({
    place: `--${given.replaceAll("_", "-")}`,
    problem:
      given === "restore_file"
        ? "stands beside --finetune-from-model: both say where to start"
        : "stands beside --finetune-from-model, which resets everything",
    remedy: "leave one of the two out",
  });
}

function restoreWeft(path: string, parts: StartParts): number {
  const { checkpoint, trainer, batches, metrics, identity, run, say } = parts;
  const opened = openOwn(path, checkpoint.save_dir);
  try {
    const file = checkpointOfKeptLayers(opened, parts.modelSettings, path);
    const { record } = file;
    const resets = {
      dataloader: checkpoint.reset_dataloader,
      lrScheduler: checkpoint.reset_lr_scheduler,
      meters: checkpoint.reset_meters,
      optimizer: checkpoint.reset_optimizer,
    };
    restoreRecord(record, path, resets, {
      identity,
      trainer,
      metrics,
      run: run.state,
      metric: checkpoint.best_checkpoint_metric,
      resume: (iterator) => batches.resume(record.num_updates > 0 ? iterator : unbegun(iterator)),
    });
    const { outerMomentum } = parts;
    restoreTensors(trainer, file, path, { optimizer: !checkpoint.reset_optimizer, outerMomentum });
    const epoch = resets.dataloader ? 1 : Number(record.iterator.epoch);
    say(`continuing from ${path}: epoch ${epoch}, ${trainer.updates} updates`);
    return epoch;
  } finally {
    opened.close();
  }
}

/**
 * Before its first update a run has no batches to go on with: it takes as many as there are peers now, as do
 * those who have no checkpoint, and who see no reason to fetch the state, for it is the seed's.
 */
const unbegun = (iterator: EpochIteratorState): EpochIteratorState =>
  iterator.iterations_in_epoch ? iterator : { ...iterator, num_shards: undefined };

/** As openCheckpoint; if the file is damaged, the error names others that a run can go back to. */
function openOwn(path: string, folder: string): CheckpointFile {
  try {
    return openCheckpoint(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { place, problem } = error.detail;
    const others = otherCheckpoints(path, folder);
    if (others.length === 0) throw error;
    throw new UserError({
      place,
      problem,
      remedy: `go back to another checkpoint: --restore-file ${others[0]} (there are ${others.join(", ")})`,
    });
  }
}

/** Checkpoints in a folder, newest first, without those that are the same file under another name. */
function otherCheckpoints(path: string, folder: string): string[] {
  const { ino } = statSync(path);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^checkpoint.*\.safetensors$/.test(name))
    .map((name) => ({ name, stat: statSync(join(folder, name)) }))
    .filter(({ stat }) => stat.ino !== ino)
    .sort((a, b) => b.stat.mtimeMs - a.stat.mtimeMs)
    .map(({ name }) => name);
}

function restoreFairseq(path: string, parts: StartParts): number {
  const { checkpoint, trainer, batches, run, say } = parts;
  const optimizer = !checkpoint.reset_optimizer;
  const saved = readFairseqCheckpoint(path, { optimizer });
  const { training } = saved;
  if (optimizer) refuseOtherComponents(training, path, parts.identity);
  const { model, device } = trainer.options;
  const tensors = new Map<string, NamedWeight>(
    [...saved.weights.tensors].map(([name, tensor]) => [
      name,
      { shape: tensor.shape, data: toFloat32(tensor) },
    ]),
  );
  const origin = { place: path, settings: saved.settings?.flags };
  loadParameters(model, device, withKeptLayers(tensors, parts.modelSettings, origin), path);
  seedAverage(parts);
  if (optimizer) {
    if (!saved.optimizer) {
      throw new UserError({
        place: path,
        problem: "was saved without the optimizer's state",
        remedy: "pass --reset-optimizer, or use --finetune-from-model",
      });
    }
    const slots = [...saved.optimizer.slots].map(
      ([key, states]) => [key, withKeptLayers(states, parts.modelSettings, origin)] as const,
    );
    restoreFairseqOptimizer(trainer, new Map(slots), path);
    trainer.resumeAt(training.numUpdates, stepsOfLayers(saved.optimizer, parts, origin));
  }
  if (optimizer && !checkpoint.reset_meters) run.state.best = training.best;
  let epoch = 1;
  if (!checkpoint.reset_dataloader) {
    const { epoch: saved, iterations_in_epoch, shuffle } = training.trainIterator;
    epoch = Number(saved ?? 1);
    batches.resume({
      version: 2,
      epoch,
      iterations_in_epoch: Number(iterations_in_epoch ?? 0),
      shuffle: shuffle !== false,
    });
  }
  say(`continuing from fairseq's ${path}: epoch ${epoch}, ${trainer.updates} updates`);
  return epoch;
}

/** fairseq counts for every parameter the updates that it took part in; a layer's go together. */
function stepsOfLayers(
  { steps }: FairseqOptimizer,
  { trainer, modelSettings }: StartParts,
  origin: LayersOrigin,
): Record<string, number> {
  const kept = [...withKeptLayers(steps, modelSettings, origin)];
  const found: Record<string, number> = {};
  for (const { name } of trainer.options.model.droppableLayers) {
    const parameter = kept.find(([parameter]) => parameter.startsWith(`${name}.`));
    if (parameter) found[name] = parameter[1];
  }
  return found;
}

/** Where the moving average of the weights begins. */
function seedAverage({ ema, trainer }: StartParts): void {
  if (!trainer.average) return;
  if (ema.ema_seed_model === undefined) {
    trainer.startAverage();
    return;
  }
  const { tensors } = loadWeights(ema.ema_seed_model);
  for (const [name, variable] of trainer.average.slots) {
    const tensor = tensors.get(name);
    const { shape } = variable.spec;
    if (!tensor || !sameShape(tensor.shape, shape)) {
      throw new UserError({
        place: `--ema-seed-model ${ema.ema_seed_model}`,
        problem: tensor
          ? `${name} is ${formatShape(tensor.shape)}, the model's is ${formatShape(shape)}`
          : `has no parameter ${name}`,
        remedy: "give a checkpoint of this architecture",
      });
    }
    trainer.options.device.write(variable, tensor.data);
  }
}

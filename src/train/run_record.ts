// The JSON document of a checkpoint: put together when it is saved, taken apart on a restart.
import { z } from "zod";
import type { ConfigRecord } from "../config/record.ts";
import { UserError } from "../config/user_error.ts";
import type { EpochIteratorState } from "../data/epoch_iterator.ts";
import type { FairseqTrainingState } from "../interop/fairseq_training_state.ts";
import type { EpochEnd } from "../lr_scheduler/schedule.ts";
import type { Task } from "../tasks/task.ts";
import { type CheckpointRecord, SCHEMA_VERSION } from "./checkpoint_record.ts";
import { metricsState, type TrainingMetrics } from "./metrics.ts";
import { differenceOfDictionaries } from "./other_dictionaries.ts";
import type { RunState } from "./run_state.ts";
import type { Trainer } from "./trainer.ts";

/** What stays the same during a run. */
export interface RunIdentity {
  readonly version: string;
  readonly config: ConfigRecord;
  readonly task: Task;
  readonly dataHash: string;
  /** Of all validation sets; undefined where nobody compares it, or there are none. */
  readonly validationHash: string | undefined;
  /** What decides the bits: device, threads, BLAS. */
  readonly run: Readonly<Record<string, unknown>>;
}

const chosen = (config: ConfigRecord, section: string): string => {
  const entry = config.sections[section];
  return entry && typeof entry.component === "string" ? entry.component : "";
};

/** The record of the present state. */
export function runRecord(
  identity: RunIdentity,
  trainer: Trainer,
  metrics: TrainingMetrics,
  run: RunState,
  iterator: EpochIteratorState,
  metric: string,
): CheckpointRecord {
  const { config, task } = identity;
  const meters = metrics.state();
  return {
    schema_version: SCHEMA_VERSION,
    weft_version: identity.version,
    config: { ...config },
    dictionaries: task.dictionaryTexts(),
    data: { hash: identity.dataHash },
    plugins: [...config.plugins],
    num_updates: trainer.updates,
    iterator: { ...iterator },
    optimizer: { name: chosen(config, "optimizer"), state: { layer_steps: layerSteps(trainer) } },
    lr_scheduler: { name: chosen(config, "lr_scheduler"), state: { history: trainer.history } },
    criterion: chosen(config, "criterion"),
    loss_scale: null,
    meters,
    best: {
      metric,
      value: run.best ?? null,
      validations_without_improvement: run.earlyStopping.validationsWithoutImprovement,
      early_stopping_best: run.earlyStopping.best ?? null,
    },
    valid_value: run.validated ?? null,
    training_seconds: meters.wall,
    run: { ...identity.run },
  };
}

/** By the layers' names: whether one is droppable can change between restarts. */
const layerSteps = ({ layerSteps, options: { model } }: Trainer): Record<string, number> =>
  Object.fromEntries(model.droppableLayers.map(({ name }, layer) => [name, layerSteps[layer]]));

/** What --reset-* leaves behind. */
export interface Resets {
  readonly dataloader: boolean;
  readonly lrScheduler: boolean;
  readonly meters: boolean;
  readonly optimizer: boolean;
}

/**
 * Takes a record's state over, all but the tensors.
 *
 * @param place the checkpoint, for errors.
 * @throws UserError if the record belongs to another run: other dictionaries, data, optimizer or
 * criterion.
 */
export function restoreRecord(
  record: CheckpointRecord,
  place: string,
  resets: Resets,
  parts: {
    identity: RunIdentity;
    trainer: Trainer;
    metrics: TrainingMetrics;
    run: RunState;
    metric: string;
    resume(iterator: EpochIteratorState): void;
  },
): void {
  const { identity, trainer, metrics, run } = parts;
  refuseOther(record, place, resets, identity);
  if (!resets.dataloader) parts.resume(record.iterator as unknown as EpochIteratorState);
  if (!resets.optimizer) {
    const { layer_steps = {} } = record.optimizer.state;
    trainer.resumeAt(record.num_updates, z.record(z.string(), z.int()).parse(layer_steps));
  }
  if (!resets.lrScheduler) {
    trainer.history = [...((record.lr_scheduler.state.history ?? []) as EpochEnd[])];
  }
  if (resets.meters) return;
  metrics.restore(metricsState.parse(record.meters));
  // As in fairseq: with another optimizer or criterion the race for the best begins anew.
  if (resets.optimizer || record.best.metric !== parts.metric) return;
  run.best = record.best.value ?? undefined;
  run.earlyStopping = {
    best: record.best.early_stopping_best ?? undefined,
    validationsWithoutImprovement: record.best.validations_without_improvement,
  };
}

function refuseOther(
  record: CheckpointRecord,
  place: string,
  resets: Resets,
  { config, dataHash, task }: RunIdentity,
): void {
  const other = differenceOfDictionaries(record.dictionaries, task);
  if (other !== undefined) {
    throw new UserError({
      place,
      problem: `was trained with other dictionaries: ${other}`,
      remedy: "binarise the data with its dictionaries: weft preprocess --srcdict, --tgtdict",
    });
  }
  if (record.data.hash !== dataHash && !resets.dataloader) {
    throw new UserError({
      place,
      problem: "was trained on other data than is given now",
      remedy: "give the data it was trained on, or pass --reset-dataloader to begin with these",
    });
  }
  if (resets.optimizer) return;
  const saved = { optimizer: record.optimizer.name, criterion: record.criterion };
  refuseUnlike(saved, { config }, place, (name) => name);
}

/** The same for fairseq's checkpoints, which name classes: FairseqAdam, CrossEntropyCriterion. */
export function refuseOtherComponents(
  { optimizerName, criterionName }: FairseqTrainingState,
  place: string,
  identity: Pick<RunIdentity, "config">,
): void {
  const saved = { optimizer: optimizerName, criterion: criterionName };
  refuseUnlike(saved, identity, place, (name, kind) => {
    const pascal = name.replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
    return kind === "optimizer" ? `Fairseq${pascal}` : `${pascal}Criterion`;
  });
}

type Kind = "optimizer" | "criterion";

/** @param spell how the checkpoint spells the name of a component. */
function refuseUnlike(
  savedNames: Readonly<Record<Kind, string>>,
  { config }: Pick<RunIdentity, "config">,
  place: string,
  spell: (name: string, kind: Kind) => string,
): void {
  for (const kind of ["optimizer", "criterion"] as const) {
    const [flag, saved, given] = [`--${kind}`, savedNames[kind], spell(chosen(config, kind), kind)];
    if (saved === given) continue;
    throw new UserError({
      place,
      problem: `was trained with ${flag} ${saved}, not ${given}`,
      remedy: "use that one, or pass --reset-optimizer",
    });
  }
}

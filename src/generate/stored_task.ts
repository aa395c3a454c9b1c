// The task that a checkpoint was trained on, with what the command line says otherwise.
import type { TaskComponent } from "../components.ts";
import type { Chosen } from "../config/choice.ts";
import type { ComponentRecord } from "../config/record.ts";
import { UserError } from "../config/user_error.ts";
import type { Registries } from "../registries.ts";
import type { Task, TaskContext } from "../tasks/task.ts";
import type { StoredModel } from "../train/load_model.ts";
import { storedComponent } from "./stored_plugins.ts";

/** What the command line says about the task. */
export interface TaskFlags {
  /** The component chosen, by default or by --task. */
  readonly chosen: Chosen<TaskComponent>;
  /** Its settings that somebody gave; the others are the checkpoint's. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Whether --task was given. */
  readonly named: boolean;
}

/** Settings that are of training only: lengths are not padded to buckets, no BLEU is measured. */
const TRAINING_ONLY = new Set(["num_batch_buckets", "eval_bleu"]);

/**
 * Builds the task that a checkpoint's model solves.
 *
 * @param context dictionaries are added to it from the checkpoint, for data without any.
 * @throws UserError if the task is not registered or refuses its settings.
 */
export function buildStoredTask(
  model: StoredModel,
  registries: Registries,
  { chosen, given, named }: TaskFlags,
  context: Omit<TaskContext, "dictionaries">,
): Task {
  const { path, weights, architecture } = model;
  const recorded = weights.record && recordedTask(weights.record.config);
  const component =
    named || recorded === undefined
      ? chosen.component
      : storedComponent(registries.tasks, recorded.component, model);
  const stored = Object.entries(architecture.task).filter(
    ([key, value]) =>
      key in component.config.shape && value !== undefined && !TRAINING_ONLY.has(key),
  );
  const settings = { ...Object.fromEntries(stored.map(spelledOut)), ...given };
  const parsed = component.config.safeParse(settings);
  if (parsed.success) {
    const { dictionaries } = architecture;
    return component.build(parsed.data, { ...context, dictionaries });
  }
  const [issue] = parsed.error.issues;
  throw new UserError({
    place: `${path}: task ${component.name}: ${issue.path.join(".")}`,
    problem: issue.message,
    remedy: "give the setting on the command line",
  });
}

function recordedTask(config: Readonly<Record<string, unknown>>): ComponentRecord | undefined {
  const { task } = (config.sections ?? {}) as { task?: ComponentRecord };
  return task;
}

/** Old checkpoints of fairseq's hold booleans as Python spells them. */
function spelledOut([key, value]: [string, unknown]): [string, unknown] {
  return [key, value === "True" ? true : value === "False" ? false : value];
}

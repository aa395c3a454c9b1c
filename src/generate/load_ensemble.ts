// The models that --path names, on the device, with the task they solve.
import type { ModelComponent } from "../components.ts";
import { didYouMean } from "../config/nearest.ts";
import { UserError } from "../config/user_error.ts";
import { Dictionary } from "../data/dictionary.ts";
import type { DatasetImpl } from "../data/indexed_dataset.ts";
import { type PairLimits, resolveMaxPositions } from "../data/length_limits.ts";
import type { Device } from "../device/device.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import type { Task } from "../tasks/task.ts";
import { buildStoredModel, readModel, type StoredModel } from "../train/load_model.ts";
import { type Available, storedComponent } from "./stored_plugins.ts";
import { buildStoredTask, type TaskFlags } from "./stored_task.ts";

export interface EnsembleSource {
  /** Checkpoints, joined by colons. */
  readonly path: string;
  /** Take averaged weights. */
  readonly ema: boolean;
  readonly modelOverrides: Readonly<Record<string, unknown>>;
  /** Folder of the data or of dictionaries alone; undefined to take the checkpoint's. */
  readonly data: string | undefined;
  readonly datasetImpl?: DatasetImpl;
  readonly padToMultiple: number;
  readonly task: TaskFlags;
}

export interface Ensemble {
  readonly task: Task;
  readonly models: readonly EncoderDecoderModel[];
  /** What the files say, in the same order. */
  readonly stored: readonly StoredModel[];
  /** Longest source and target that task and models take. */
  readonly limits: PairLimits;
}

/**
 * Reads and builds the models.
 *
 * @throws UserError for a file that is no model, for settings that no model has, and where the data's
 *   dictionaries are not the model's.
 */
export function loadEnsemble(
  source: EnsembleSource,
  { registries }: Available,
  device: Device,
): Ensemble {
  const paths = source.path.split(":").filter((path) => path !== "");
  if (paths.length === 0) {
    throw new UserError({
      place: "--path",
      problem: `${JSON.stringify(source.path)} names no file`,
      remedy: "give a checkpoint, or several joined by colons",
    });
  }
  const stored = paths.map((path) => readModel(path, source.ema));
  const components = stored.map((model) =>
    storedComponent(registries.models, model.architecture.component, model),
  );
  refuseUnknownOverrides(source.modelOverrides, components);
  const { data, datasetImpl, padToMultiple } = source;
  if (data === undefined && stored[0].architecture.dictionaries === undefined) {
    throw new UserError({
      place: paths[0],
      problem: "holds no dictionaries",
      remedy: "name the folder with dict.*.txt before the flags",
    });
  }
  const context = { data, datasetImpl, padToMultiple };
  const task = buildStoredTask(stored[0], registries, source.task, context);
  const models = stored.map((model) => {
    refuseOtherDictionaries(model, task, data);
    const { modelOverrides: overrides } = source;
    return buildStoredModel(model, registries, task.modelContext, device, overrides);
  });
  const positions = models.map(({ maxPositions: { source, target } }) => [source, target] as const);
  const limits = resolveMaxPositions(task.maxPositions, ...positions);
  return { task, models, stored, limits };
}

/** Overrides go to every model that has the setting; one that none has would be lost. */
function refuseUnknownOverrides(
  overrides: Readonly<Record<string, unknown>>,
  components: readonly ModelComponent[],
): void {
  const known = new Set(components.flatMap(({ config }) => Object.keys(config.shape)));
  const unknown = Object.keys(overrides).find((key) => !known.has(key));
  if (unknown === undefined) return;
  const names = [...new Set(components.map(({ name }) => name))].join(" and ");
  throw new UserError({
    place: "--model-overrides",
    problem: `${JSON.stringify(unknown)} is no setting of the model (${names})`,
    remedy: didYouMean(unknown, known, "weft train --help lists the settings of a model"),
  });
}

/** The wrong dictionaries would turn every word into another one. */
function refuseOtherDictionaries(
  { path, weights, architecture }: StoredModel,
  task: Task,
  data: string | undefined,
): void {
  for (const [side, language, dictionary] of [
    ["encoder", task.sourceLang, task.sourceDictionary],
    ["decoder", task.targetLang, task.targetDictionary],
  ] as const) {
    const place = `${data ?? "checkpoint"}: dictionary of ${language}`;
    const rows = weights.tensors.get(`${side}.embed_tokens.weight`)?.shape[0];
    if (rows !== undefined && rows !== dictionary.length) {
      throw new UserError({
        place,
        problem: `it has ${dictionary.length} symbols, the ${side} of ${path} has ${rows}`,
        remedy: "give the data folder that the model was trained on (its dict.*.txt)",
      });
    }
    const text = architecture.dictionaries?.[language];
    if (text === undefined) continue;
    const known = Dictionary.parse(text, path);
    const wrong = dictionary.symbols.findIndex((symbol, i) => symbol !== known.symbols[i]);
    if (wrong < 0) continue;
    throw new UserError({
      place,
      problem: `symbol ${wrong} is ${JSON.stringify(dictionary.symbols[wrong])}, in ${path} it is ${JSON.stringify(known.symbols[wrong])}`,
      remedy: "give the data folder that the model was trained on (its dict.*.txt)",
    });
  }
}

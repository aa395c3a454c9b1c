// --encoder-layers-to-keep and --decoder-layers-to-keep: a deep checkpoint for a shallower model.
import type { ComponentRecord, ConfigRecord } from "../config/record.ts";
import { UserError } from "../config/user_error.ts";
import type { FairseqSettings } from "../interop/fairseq_settings.ts";
import { layerNumbers } from "../interop/model_sizes.ts";
import { keepLayers } from "../models/load_parameters.ts";
import { keptLayers } from "../models/transformer/config.ts";
import type { CheckpointFile } from "./checkpoint_file.ts";
import type { CheckpointRecord } from "./checkpoint_record.ts";

/** Settings of a model; only a Transformer's name layers to keep. */
export type ModelSettings = Readonly<Record<string, unknown>>;

/** A checkpoint's name, for errors, and the settings of the model in it as far as they are known. */
export interface LayersOrigin {
  readonly place: string;
  readonly settings: ModelSettings | undefined;
}

const listOf = (settings: ModelSettings | undefined, key: string): number[] | undefined =>
  keptLayers((settings?.[key] ?? undefined) as string | number[] | undefined);

/** The settings that a checkpoint's model was built with. */
export function savedModelSettings(checkpoint: {
  readonly record?: CheckpointRecord;
  readonly fairseq?: { readonly settings?: FairseqSettings };
}): ModelSettings | undefined {
  if (!checkpoint.record) return checkpoint.fairseq?.settings?.flags;
  const { sections } = checkpoint.record.config as unknown as ConfigRecord;
  return (sections.model as ComponentRecord | undefined)?.config;
}

/**
 * Leaves out the layers that the settings do not name; the others are numbered anew. What was saved
 * under the same settings has only these layers already.
 *
 * @throws UserError if a layer that is to be kept is not there.
 */
export function withKeptLayers<T>(
  tensors: ReadonlyMap<string, T>,
  settings: ModelSettings,
  origin: LayersOrigin,
): ReadonlyMap<string, T> {
  let kept = tensors;
  for (const side of ["encoder", "decoder"] as const) {
    const key = `${side}_layers_to_keep`;
    const numbers = listOf(settings, key);
    if (!numbers || `${numbers}` === `${listOf(origin.settings, key)}`) continue;
    refuseAbsentLayer(tensors.keys(), side, numbers, origin.place);
    kept = keepLayers(kept, side, numbers);
  }
  return kept;
}

function refuseAbsentLayer(
  names: Iterable<string>,
  side: "encoder" | "decoder",
  numbers: readonly number[],
  place: string,
): void {
  const there = layerNumbers(names, side);
  const absent = numbers.find((number) => !there.has(number));
  if (absent === undefined) return;
  throw new UserError({
    place: `--${side}-layers-to-keep ${numbers}`,
    problem: `${place} has no ${side} layer ${absent}`,
    remedy: `name some of its layers: ${[...there].sort((a, b) => a - b).join(",")}`,
  });
}

/** A checkpoint as if only those layers had been saved: their weights, moments and averages. */
export function checkpointOfKeptLayers(
  checkpoint: CheckpointFile,
  settings: ModelSettings,
  place: string,
): CheckpointFile {
  const saved = withKeptLayers(
    new Map([...checkpoint.parameters].map((name) => [name, name])),
    settings,
    { place, settings: savedModelSettings(checkpoint) },
  );
  const nameOf = (name: string): string => saved.get(name) ?? name;
  return {
    ...checkpoint,
    parameters: new Set(saved.keys()),
    parameter: (name) => checkpoint.parameter(nameOf(name)),
    optimizerState: (slot, name) => checkpoint.optimizerState(slot, nameOf(name)),
    ema: (name) => checkpoint.ema(nameOf(name)),
  };
}

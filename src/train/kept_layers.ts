// --encoder-layers-to-keep and --decoder-layers-to-keep: a deep checkpoint for a shallower model.
import { keepLayers } from "../models/load_parameters.ts";
import { keptLayers } from "../models/transformer/config.ts";
import type { CheckpointFile } from "./checkpoint_file.ts";

/** Settings of a model; only a Transformer's name layers to keep. */
type ModelSettings = Readonly<Record<string, unknown>>;

/** Leaves out the layers that the settings do not name; the others are numbered anew. */
export function withKeptLayers<T>(
  tensors: ReadonlyMap<string, T>,
  settings: ModelSettings,
): ReadonlyMap<string, T> {
  let kept = tensors;
  for (const side of ["encoder", "decoder"] as const) {
    const numbers = keptLayers(settings[`${side}_layers_to_keep`] as string | number[] | undefined);
    if (!numbers) continue;
    // A checkpoint that was saved with the flag has these layers only, numbered anew.
    const highest = Math.max(...numbers);
    if (kept.has(`${side}.layers.${highest}.fc1.weight`)) kept = keepLayers(kept, side, numbers);
  }
  return kept;
}

/** A checkpoint as if only those layers had been saved: their weights, moments and averages. */
export function checkpointOfKeptLayers(
  checkpoint: CheckpointFile,
  settings: ModelSettings,
): CheckpointFile {
  const saved = withKeptLayers(
    new Map([...checkpoint.parameters].map((name) => [name, name])),
    settings,
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

// weft's checkpoint: one safetensors file. Parameters stand under their plain names (fairseq's), so
// that any safetensors reader finds them; optimizer state and averages under a prefix:
//
//   encoder.layers.0.fc1.weight                       parameter
//   optimizer.exp_avg.encoder.layers.0.fc1.weight     first moment of it
//   ema.encoder.layers.0.fc1.weight                   its exponential moving average
//
// Everything else is one JSON document in the metadata: checkpoint_record.ts.
import { UserError } from "../config/user_error.ts";
import {
  openSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  writeSafetensors,
} from "../interop/safetensors.ts";
import type { StoredTensor } from "../interop/stored_tensor.ts";
import { type CheckpointRecord, parseRecord, stringifyRecord } from "./checkpoint_record.ts";
import { replaceFile } from "./checkpoint_replace.ts";

/** Key of the JSON document in the safetensors metadata. */
export const RECORD_KEY = "weft";

const OPTIMIZER = "optimizer.";
const EMA = "ema.";

/** What a checkpoint is written from. Names are parameter names in every group. */
export interface CheckpointContent {
  readonly record: CheckpointRecord;
  readonly parameters: readonly SafetensorsEntry[];
  /** By slot ("exp_avg", "exp_avg_sq", ...). */
  readonly optimizer: Readonly<Record<string, readonly SafetensorsEntry[]>>;
  readonly ema?: readonly SafetensorsEntry[];
}

/**
 * Writes a checkpoint; `path` changes from the old file to the new one in one moment, or not at
 * all (see replaceFile for the errors).
 */
export async function writeCheckpoint(path: string, content: CheckpointContent): Promise<void> {
  for (const { name } of content.parameters) {
    if (name.startsWith(OPTIMIZER) || name.startsWith(EMA)) {
      throw new Error(`parameter ${name} would be taken for optimizer state or an average`);
    }
  }
  const entries = [
    ...content.parameters,
    ...Object.entries(content.optimizer).flatMap(([slot, entries]) =>
      entries.map((entry) => prefixed(`${OPTIMIZER}${slot}.`, entry)),
    ),
    ...(content.ema ?? []).map((entry) => prefixed(EMA, entry)),
  ];
  const metadata = { [RECORD_KEY]: stringifyRecord(content.record) };
  await replaceFile(path, (sink) => writeSafetensors(sink, entries, metadata));
}

const prefixed = (prefix: string, entry: SafetensorsEntry): SafetensorsEntry => ({
  name: prefix + entry.name,
  dtype: entry.dtype,
  shape: entry.shape,
  data: () => entry.data(),
});

/** An open checkpoint; tensors are read when asked for. */
export interface CheckpointFile {
  readonly record: CheckpointRecord;
  /** Names of the parameters. */
  readonly parameters: ReadonlySet<string>;
  /** Slots that the optimizer state has, e.g. "exp_avg". */
  readonly optimizerSlots: ReadonlySet<string>;
  readonly hasEma: boolean;
  parameter(name: string): StoredTensor;
  /** undefined if the optimizer had no such state for that parameter. */
  optimizerState(slot: string, name: string): StoredTensor | undefined;
  ema(name: string): StoredTensor | undefined;
  close(): void;
}

/**
 * Opens a checkpoint of weft's.
 *
 * @throws UserError naming the file: absent, damaged, of another version, or a safetensors file
 * without a training record.
 */
export function openCheckpoint(path: string): CheckpointFile {
  const file = openSafetensors(path);
  try {
    return checkpointOf(file, path);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** As openCheckpoint, over a safetensors file that is already open. */
export function checkpointOf(file: SafetensorsFile, path: string): CheckpointFile {
  const json = file.metadata[RECORD_KEY];
  if (json === undefined) {
    throw new UserError({
      place: path,
      problem: "holds tensors but no training record",
      remedy: "training can start from its weights: --finetune-from-model",
    });
  }
  const names = [...file.tensors.keys()];
  const slots = names.filter((name) => name.startsWith(OPTIMIZER)).map(slotOf);
  const readIfThere = (name: string) => (file.tensors.has(name) ? file.read(name) : undefined);
  return {
    record: parseRecord(json, path),
    parameters: new Set(
      names.filter((name) => !name.startsWith(OPTIMIZER) && !name.startsWith(EMA)),
    ),
    optimizerSlots: new Set(slots),
    hasEma: names.some((name) => name.startsWith(EMA)),
    parameter: (name) => file.read(name),
    optimizerState: (slot, name) => readIfThere(`${OPTIMIZER}${slot}.${name}`),
    ema: (name) => readIfThere(EMA + name),
    close: () => file.close(),
  };
}

const slotOf = (name: string): string =>
  name.slice(OPTIMIZER.length, name.indexOf(".", OPTIMIZER.length));

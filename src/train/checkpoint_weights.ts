import { UserError } from "../config/user_error.ts";
import { readFairseqCheckpoint } from "../interop/fairseq_checkpoint.ts";
import { upgradeFairseqState } from "../interop/fairseq_names.ts";
import type { FairseqSettings } from "../interop/fairseq_settings.ts";
import type { FairseqTrainingState } from "../interop/fairseq_training_state.ts";
import { openFileSource } from "../interop/file_source.ts";
import { openSafetensors, type SafetensorsFile } from "../interop/safetensors.ts";
import { type StoredTensor, toFloat32 } from "../interop/stored_tensor.ts";
import { isTorchCheckpoint } from "../interop/torch_checkpoint/torch_checkpoint.ts";
import { checkpointOf, RECORD_KEY } from "./checkpoint_file.ts";
import type { CheckpointRecord } from "./checkpoint_record.ts";

/** What a file says about its weights, besides the tensors. */
export interface WeightsOrigin {
  /** Of a checkpoint of weft's. */
  readonly record?: CheckpointRecord;
  /** Of a checkpoint of fairseq's, or of an average of such. */
  readonly fairseq?: FairseqOrigin;
  /** Transformer stacks that end without a layer norm: see FairseqWeights. */
  readonly withoutFinalNorm: readonly ("encoder" | "decoder")[];
}

export interface FairseqOrigin {
  /** undefined in a file with weights alone. */
  readonly settings?: FairseqSettings;
  readonly training: FairseqTrainingState;
}

/** A tensor of a model, widened to float32. */
export interface LoadedTensor {
  readonly shape: readonly number[];
  /** What the file held. */
  readonly dtype: StoredTensor["dtype"];
  /** Row-major. Tied tensors may share it: do not write into it. */
  readonly data: Float32Array;
}

/** A model's weights by fairseq's names, wherever they came from. */
export interface LoadedWeights extends WeightsOrigin {
  readonly tensors: Map<string, LoadedTensor>;
}

/** The same, as the file stores them. */
export interface StoredWeights extends WeightsOrigin {
  readonly tensors: Map<string, StoredTensor>;
}

/**
 * Reads a model's weights from a checkpoint of weft's, a .pt file of fairseq's, or any safetensors
 * file with fairseq's names. The format is told by the content, not by the file's name.
 *
 * @param options.ema take the averaged weights of --store-ema; what has no average, as trained.
 * @throws UserError naming the file: absent, damaged, of another format, without averages.
 */
export function loadWeights(path: string, options: { ema?: boolean } = {}): LoadedWeights {
  const stored = loadStoredWeights(path, options);
  const tensors = [...stored.tensors].map(([name, tensor]): [string, LoadedTensor] => {
    const { shape, dtype } = tensor;
    return [name, { shape, dtype, data: toFloat32(tensor) }];
  });
  return { ...stored, tensors: new Map(tensors) };
}

/** As loadWeights, in the dtypes of the file. */
export function loadStoredWeights(path: string, options: { ema?: boolean } = {}): StoredWeights {
  const source = openFileSource(path);
  if (isTorchCheckpoint(source)) {
    const { weights, ema, settings, training } = readFairseqCheckpoint(source);
    const { tensors, withoutFinalNorm } = options.ema ? (ema ?? noAverages(path)) : weights;
    return { tensors, withoutFinalNorm, fairseq: { settings, training } };
  }
  const file = openSafetensors(source);
  try {
    if (RECORD_KEY in file.metadata) return fromWeft(file, path, options.ema);
    return options.ema ? noAverages(path) : fromBare(file, path);
  } finally {
    file.close();
  }
}

function fromWeft(file: SafetensorsFile, path: string, averaged = false): StoredWeights {
  const checkpoint = checkpointOf(file, path);
  if (averaged && !checkpoint.hasEma) noAverages(path);
  const tensors = [...checkpoint.parameters].map((name): [string, StoredTensor] => {
    const average = averaged ? checkpoint.ema(name) : undefined;
    return [name, average ?? checkpoint.parameter(name)];
  });
  return { tensors: new Map(tensors), record: checkpoint.record, withoutFinalNorm: [] };
}

/** Key under which an average of fairseq's checkpoints keeps what they said. */
export const FAIRSEQ_KEY = "fairseq";

function fromBare(file: SafetensorsFile, path: string): StoredWeights {
  const stored = [...file.tensors.keys()].map((name) => [name, file.read(name)] as const);
  const { tensors, withoutFinalNorm } = upgradeFairseqState(new Map(stored), path);
  const origin = file.metadata[FAIRSEQ_KEY];
  return origin === undefined
    ? { tensors, withoutFinalNorm }
    : { tensors, withoutFinalNorm, fairseq: parseOrigin(origin, path) };
}

function parseOrigin(json: string, path: string): FairseqOrigin {
  try {
    return JSON.parse(json) as FairseqOrigin;
  } catch {
    throw new UserError({
      place: path,
      problem: "its note about the model is no JSON",
      remedy: "average the checkpoints again",
    });
  }
}

function noAverages(path: string): never {
  throw new UserError({
    place: path,
    problem: "holds no averaged weights",
    remedy: "train with --store-ema, or use the weights themselves",
  });
}

import { UserError } from "../config/user_error.ts";
import { type FairseqCheckpoint, readFairseqCheckpoint } from "../interop/fairseq_checkpoint.ts";
import { upgradeFairseqState } from "../interop/fairseq_names.ts";
import { openFileSource } from "../interop/file_source.ts";
import { openSafetensors, type SafetensorsFile } from "../interop/safetensors.ts";
import { type StoredTensor, toFloat32 } from "../interop/stored_tensor.ts";
import { isTorchCheckpoint } from "../interop/torch_checkpoint/torch_checkpoint.ts";
import { checkpointOf, RECORD_KEY } from "./checkpoint_file.ts";
import type { CheckpointRecord } from "./checkpoint_record.ts";

/** A tensor of a model, widened to float32. */
export interface LoadedTensor {
  readonly shape: readonly number[];
  /** What the file held. */
  readonly dtype: StoredTensor["dtype"];
  /** Row-major. Tied tensors may share it: do not write into it. */
  readonly data: Float32Array;
}

/** A model's weights by fairseq's names, wherever they came from. */
export interface LoadedWeights {
  readonly tensors: Map<string, LoadedTensor>;
  /** Of a checkpoint of weft's. */
  readonly record?: CheckpointRecord;
  /** Of a checkpoint of fairseq's. */
  readonly fairseq?: FairseqCheckpoint;
  /** Transformer stacks that end without a layer norm: see FairseqWeights. */
  readonly withoutFinalNorm: readonly ("encoder" | "decoder")[];
}

/**
 * Reads a model's weights from a checkpoint of weft's, a .pt file of fairseq's, or any safetensors
 * file with fairseq's names. The format is told by the content, not by the file's name.
 *
 * @param options.ema take the averaged weights where the checkpoint has them (--store-ema).
 * @throws UserError naming the file: absent, damaged, of another format, without averages.
 */
export function loadWeights(path: string, options: { ema?: boolean } = {}): LoadedWeights {
  const source = openFileSource(path);
  if (isTorchCheckpoint(source)) {
    const fairseq = readFairseqCheckpoint(source);
    const weights = options.ema ? (fairseq.ema ?? noAverages(path)) : fairseq.weights;
    return { ...weights, tensors: widened(weights.tensors), fairseq };
  }
  const file = openSafetensors(source);
  try {
    if (RECORD_KEY in file.metadata) return fromWeft(file, path, options.ema);
    return options.ema ? noAverages(path) : fromBare(file, path);
  } finally {
    file.close();
  }
}

function fromWeft(file: SafetensorsFile, path: string, averaged = false): LoadedWeights {
  const checkpoint = checkpointOf(file, path);
  if (averaged && !checkpoint.hasEma) noAverages(path);
  const stored = new Map<string, StoredTensor>();
  for (const name of checkpoint.parameters) {
    const average = averaged ? checkpoint.ema(name) : undefined;
    stored.set(name, average ?? checkpoint.parameter(name));
  }
  return { tensors: widened(stored), record: checkpoint.record, withoutFinalNorm: [] };
}

function fromBare(file: SafetensorsFile, path: string): LoadedWeights {
  const stored = new Map([...file.tensors.keys()].map((name) => [name, file.read(name)]));
  const weights = upgradeFairseqState(stored, path);
  return { tensors: widened(weights.tensors), withoutFinalNorm: weights.withoutFinalNorm };
}

function noAverages(path: string): never {
  throw new UserError({
    place: path,
    problem: "holds no averaged weights",
    remedy: "train with --store-ema, or use the weights themselves",
  });
}

function widened(tensors: ReadonlyMap<string, StoredTensor>): Map<string, LoadedTensor> {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const { shape, dtype } = tensor;
      return [name, { shape, dtype, data: toFloat32(tensor) }];
    }),
  );
}

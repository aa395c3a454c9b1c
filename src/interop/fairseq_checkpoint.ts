// fairseq's checkpoints, of any age, as weft's parts: weights under current names, settings, and
// where training stood. No code of theirs is run (torch_checkpoint/unpickler.ts).
import { UserError } from "../config/user_error.ts";
import type { ByteSource } from "./byte_source.ts";
import {
  type FairseqWeights,
  isFairseqBuffer,
  renameFairseqTensors,
  upgradeFairseqState,
} from "./fairseq_names.ts";
import { type FairseqSettings, fairseqSettings } from "./fairseq_settings.ts";
import {
  type FairseqTrainingState,
  fairseqOptimizerState,
  fairseqTrainingState,
} from "./fairseq_training_state.ts";
import { fieldsOf, type Plain } from "./plain_values.ts";
import { elementCount, type StoredTensor, toNumbers } from "./stored_tensor.ts";
import { PickleDict, type PickleValue, TorchTensor } from "./torch_checkpoint/pickle_values.ts";
import { openTorchCheckpoint, type TorchCheckpoint } from "./torch_checkpoint/torch_checkpoint.ts";

/** What a fairseq checkpoint holds. */
export interface FairseqCheckpoint {
  readonly weights: FairseqWeights;
  /** Averaged weights (--store-ema). */
  readonly ema: FairseqWeights | undefined;
  /** undefined in a file with weights alone. */
  readonly settings: FairseqSettings | undefined;
  readonly training: FairseqTrainingState;
  /** undefined if not asked for, or saved with --no-save-optimizer-state. */
  readonly optimizer: FairseqOptimizer | undefined;
}

/** Optimizer state by parameter name. */
export interface FairseqOptimizer {
  /** By key ("exp_avg", "exp_avg_sq", "momentum_buffer", ...), then by parameter name. */
  readonly slots: ReadonlyMap<string, ReadonlyMap<string, StoredTensor>>;
  /** Updates that each parameter has seen. */
  readonly steps: ReadonlyMap<string, number>;
  /** lr, betas, eps, ... of the first group, as torch stores them. */
  readonly group: { readonly [key: string]: Plain };
  readonly lossScale: number | undefined;
}

/**
 * Reads a .pt file of fairseq's: a checkpoint, or a bare state dict.
 *
 * @param options.optimizer also read the optimizer's state (twice the size of the weights).
 * @throws UserError naming the file: see openTorchCheckpoint; also if it holds no model, or an
 * optimizer state that does not fit the model.
 */
export function readFairseqCheckpoint(
  file: string | ByteSource,
  options: { optimizer?: boolean } = {},
): FairseqCheckpoint {
  const place = typeof file === "string" ? file : file.place;
  const open = openTorchCheckpoint(file);
  try {
    const state = open.root instanceof PickleDict ? open.root : new PickleDict();
    const model = stateDict(state.get("model")) ?? stateDict(state);
    if (!model) {
      throw new UserError({
        place,
        problem: "holds no model under the key model",
        remedy: "give a checkpoint written by fairseq-train",
      });
    }
    const ema = stateDict(fieldsOf(state.get("extra_state")).get("ema"));
    return {
      weights: upgradeFairseqState(readAll(open, model), place),
      ema: ema && upgradeFairseqState(readAll(open, ema), place),
      settings: fairseqSettings(state),
      training: fairseqTrainingState(state),
      optimizer: options.optimizer ? readOptimizer(open, state, model, place) : undefined,
    };
  } finally {
    open.close();
  }
}

type StateDict = ReadonlyMap<string, TorchTensor>;

/** A dict of nothing but tensors by name, or undefined. */
function stateDict(value: PickleValue | undefined): StateDict | undefined {
  if (!(value instanceof PickleDict) || value.size === 0) return undefined;
  const tensors = new Map<string, TorchTensor>();
  for (const [name, item] of value) {
    if (typeof name !== "string" || !(item instanceof TorchTensor)) return undefined;
    tensors.set(name, item);
  }
  return tensors;
}

function readAll(open: TorchCheckpoint, tensors: StateDict): Map<string, StoredTensor> {
  return new Map([...tensors].map(([name, tensor]) => [name, open.read(tensor)]));
}

function readOptimizer(
  open: TorchCheckpoint,
  state: PickleDict,
  model: StateDict,
  place: string,
): FairseqOptimizer | undefined {
  const saved = fairseqOptimizerState(state);
  if (!saved) return undefined;
  const names = parameterOrder(model);
  const unfit = (problem: string) =>
    new UserError({
      place,
      problem: `its optimizer state does not fit its model: ${problem}`,
      remedy: "load its weights alone: --reset-optimizer, or --finetune-from-model",
    });
  if (saved.parameters.length !== names.length) {
    throw unfit(`${saved.parameters.length} parameters instead of ${names.length}`);
  }
  const slots = new Map<string, Map<string, StoredTensor>>();
  const steps = new Map<string, number>();
  for (const [i, name] of names.entries()) {
    const parameter = saved.parameters[i];
    if (!parameter) continue;
    let step = parameter.numbers.step;
    for (const [key, tensor] of parameter.tensors) {
      const size = elementCount(model.get(name)?.shape ?? []);
      if (key === "step") step = toNumbers(open.read(tensor))[0];
      else if (elementCount(tensor.shape) === size) {
        const slot = slots.get(key) ?? new Map<string, StoredTensor>();
        slots.set(key, slot.set(name, open.read(tensor)));
      } else throw unfit(`${key} of ${name} has shape [${tensor.shape}]`);
    }
    if (step !== undefined) steps.set(name, step);
  }
  const renamed = [...slots].map(
    ([key, slot]) => [key, renameFairseqTensors(slot, place).tensors] as const,
  );
  return { slots: new Map(renamed), steps, group: saved.group, lossScale: saved.lossScale };
}

/**
 * Names in the order of `model.parameters()`, which numbers the optimizer's state: the order of
 * the state dict, without buffers, and a tensor shared by several names only once.
 */
function parameterOrder(model: StateDict): string[] {
  const seen = new Set<string>();
  return [...model].flatMap(([name, { storage, offset, shape }]) => {
    const identity = `${storage.key}/${storage.start + offset}/${shape}`;
    if (isFairseqBuffer(name) || seen.has(identity)) return [];
    seen.add(identity);
    return [name];
  });
}

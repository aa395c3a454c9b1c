// A training run's tensors, out of the device into a checkpoint and back.
import { UserError } from "../config/user_error.ts";
import type { ParameterState } from "../engine/flat_parameters.ts";
import type { SafetensorsEntry } from "../interop/safetensors.ts";
import { type StoredTensor, toFloat32 } from "../interop/stored_tensor.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";
import type { Variable } from "../tensor/variable.ts";
import type { CheckpointContent, CheckpointFile } from "./checkpoint_file.ts";
import type { CheckpointRecord } from "./checkpoint_record.ts";
import { divergence } from "./divergence.ts";
import type { Trainer } from "./trainer.ts";

/** Under which name the momentum of --sync-every is saved, beside the optimizer's own states. */
const OUTER = "outer_momentum";

/** What is saved of a run that trains in rounds. */
export interface OuterState {
  readonly momentum: ParameterState;
  /** The parameters that are common to all peers, if the present ones are not. */
  readonly anchor: ParameterState | undefined;
}

/** What to write. Tensors are read from the device one by one, while the file is written. */
export function snapshot(
  trainer: Trainer,
  record: CheckpointRecord,
  withOptimizer: boolean,
  outer?: OuterState,
): CheckpointContent {
  const { parameters, optimizer } = trainer.options;
  const entriesOf = (slots: Iterable<readonly [string, Variable]>): SafetensorsEntry[] =>
    Array.from(slots, ([name, variable]) => ({
      name,
      dtype: "F32",
      shape: variable.spec.shape,
      data: () => bytesOf(trainer, variable),
    }));
  const own = [...parameters.slots].map(([name, { value }]) => [name, value] as const);
  const values = outer?.anchor?.slots ?? own;
  const all: [string, ParameterState][] = [...optimizer.state];
  if (outer) all.push([OUTER, outer.momentum]);
  const states = withOptimizer ? all : [];
  return {
    record,
    parameters: entriesOf(values),
    optimizer: Object.fromEntries(states.map(([key, { slots }]) => [key, entriesOf(slots)])),
    ema: trainer.average && entriesOf(trainer.average.slots),
  };
}

/** @throws UserError if a value is not finite: such a state must not replace a good checkpoint. */
async function bytesOf(trainer: Trainer, variable: Variable): Promise<Uint8Array> {
  const values = await trainer.options.device.read(variable);
  const { buffer, byteOffset, byteLength } = values;
  // A plain loop: this is done to every value of every checkpoint.
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw divergence(
      `update ${trainer.updates}`,
      `it left ${values[i]} in ${variable.name}, so this state is not saved`,
    );
  }
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Which parts of a checkpoint a run takes over. */
export interface RestoreParts {
  readonly optimizer: boolean;
  /** The momentum of --sync-every, if this run trains in rounds. */
  readonly outerMomentum?: ParameterState;
}

/**
 * Writes a checkpoint's tensors to the device.
 *
 * @throws UserError naming the file if the model or the optimizer's state does not fit.
 */
export function restoreTensors(
  trainer: Trainer,
  checkpoint: CheckpointFile,
  place: string,
  parts: RestoreParts,
): void {
  const { parameters, optimizer } = trainer.options;
  for (const [name, { value }] of parameters.slots) {
    if (!checkpoint.parameters.has(name)) throw misfit(place, `has no parameter ${name}`);
    write(trainer, value, checkpoint.parameter(name), place);
  }
  for (const name of checkpoint.parameters) {
    if (!parameters.slots.has(name)) throw misfit(place, `has a parameter ${name} too many`);
  }
  if (trainer.average) {
    for (const [name, variable] of trainer.average.slots) {
      // A run that begins to average only now starts from the weights.
      write(trainer, variable, checkpoint.ema(name) ?? checkpoint.parameter(name), place);
    }
  }
  if (!parts.optimizer) return;
  for (const [key, { slots }] of optimizer.state) {
    for (const [name, variable] of slots) {
      const state = checkpoint.optimizerState(key, name);
      if (!state) throw withoutState(place, key);
      write(trainer, variable, state, place);
    }
  }
  // A run that begins with rounds only now has none: it begins at zero, as PyTorch's does.
  for (const [name, variable] of parts.outerMomentum?.slots ?? []) {
    const state = checkpoint.optimizerState(OUTER, name);
    if (state) write(trainer, variable, state, place);
  }
}

/** The same for the optimizer of a fairseq checkpoint. @param saved states by slot and parameter. */
export function restoreFairseqOptimizer(
  trainer: Trainer,
  saved: ReadonlyMap<string, ReadonlyMap<string, StoredTensor>>,
  place: string,
): void {
  for (const [key, { slots }] of trainer.options.optimizer.state) {
    const states = saved.get(key);
    if (!states) throw withoutState(place, key);
    for (const [name, variable] of slots) {
      const state = states.get(name);
      if (state) write(trainer, variable, state, place);
    }
  }
}

function write(trainer: Trainer, variable: Variable, tensor: StoredTensor, place: string): void {
  if (!sameShape(variable.spec.shape, tensor.shape)) {
    throw misfit(
      place,
      `${variable.name} is ${formatShape(tensor.shape)}, the model's is ${formatShape(variable.spec.shape)}`,
    );
  }
  trainer.options.device.write(variable, toFloat32(tensor));
}

const misfit = (place: string, problem: string): UserError =>
  new UserError({
    place,
    problem,
    remedy: "continue with the options that the run was started with, or in another --save-dir",
  });

const withoutState = (place: string, key: string): UserError =>
  new UserError({
    place,
    problem: `holds no ${key} of this optimizer`,
    remedy: "pass --reset-optimizer to start it anew",
  });

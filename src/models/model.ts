// What training and decoding need of a model.
import { drawInto } from "../../kernels/random/draws.ts";
import type { Device, SharedMemory } from "../device/device.ts";
import { FlatParameters, type Precision } from "../engine/flat_parameters.ts";
import { HostRandom } from "../nn/host_random.ts";
import { Module, type Parameter, uniqueParameters } from "../nn/module.ts";
import type { KeysAndValues } from "../nn/multihead_attention.ts";
import type { PackedRows } from "../nn/packed_rows.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LayerCaches, StepContext } from "./incremental.ts";

/** What a model is built for. */
export interface ModelContext {
  /** Symbols of each dictionary. */
  readonly sourceSymbols: number;
  readonly targetSymbols: number;
  readonly padding: number;
  /** Whether source and target use one dictionary, as shared embeddings demand. */
  readonly sharedDictionary: boolean;
}

/** What a decoder keeps of a source batch. */
export interface EncodedSource {
  /** Per decoder layer, (B, S, C). */
  readonly cross: readonly KeysAndValues[];
  /** i32 (B, S), 1 where padding. */
  readonly padding: Tensor;
}

/** A layer that takes part in a training step only by chance. Fan et al. 2019. */
export interface DroppableLayer {
  /** What its parameters' names begin with, such as "encoder.layers.0". */
  readonly name: string;
  /** Probability of leaving it out. */
  readonly p: number;
}

/** An encoder-decoder over token sequences. */
export abstract class EncoderDecoderModel extends Module {
  /** Longest source and target, in tokens. */
  abstract readonly maxPositions: { readonly source: number; readonly target: number };

  /** The layers that training may leave out, in order of the forward pass. */
  abstract readonly droppableLayers: readonly DroppableLayer[];

  /** Width and number of the decoder's caches. */
  abstract readonly cache: { readonly layers: number; readonly width: number };

  /**
   * Teacher-forced pass: i32 (B, S) and (B, T) -> logits (B, T, V).
   *
   * @param packed the positions of the target whose logits are asked for. A model that can do without
   *   the others returns those alone, (N, V).
   */
  abstract forward(srcTokens: Tensor, prevOutputTokens: Tensor, packed?: PackedRows): Tensor;

  /**
   * Whether words are aligned by a second pass over the finished output (forwardWithAttention) in
   * place of what the decoder looked at while it spoke.
   */
  readonly alignsFinishedOutput: boolean = false;

  /**
   * Teacher-forced pass that shows where the model looks: logits (B, T, V) and attention to the
   * source (B, T, S), undefined for a model without one.
   */
  forwardWithAttention(
    srcTokens: Tensor,
    prevOutputTokens: Tensor,
  ): { logits: Tensor; attention: Tensor | undefined } {
    return { logits: this.forward(srcTokens, prevOutputTokens), attention: undefined };
  }

  /** i32 (B, S) -> what decoding steps need of it. */
  abstract encode(srcTokens: Tensor): EncodedSource;

  /**
   * One decoding step.
   *
   * @param tokens i32 (R). @param positionNumber i32 (1), counted as positional embeddings count.
   * @returns logits (R, V) and, if asked for, attention to the source (R, S).
   */
  abstract step(
    tokens: Tensor,
    positionNumber: Tensor,
    caches: readonly LayerCaches[],
    context: StepContext,
    needAttention: boolean,
  ): { logits: Tensor; attention: Tensor | undefined };
}

/**
 * Gives every parameter its place on the device. The values are zero until they are written.
 *
 * @param droppable the n-th layer's parameters make up group n + 1, all others group 0.
 */
export function bindParameters(
  model: Module,
  droppable: readonly DroppableLayer[] = [],
  precision: Precision = "f32",
): FlatParameters {
  const parameters = uniqueParameters(model);
  const groupOf = (name: string): number =>
    1 + droppable.findIndex((layer) => name.startsWith(`${layer.name}.`));
  const flat = new FlatParameters(
    [...parameters].map(([name, { shape }]) => ({ name, shape, group: groupOf(name) })),
    precision,
  );
  for (const [name, parameter] of parameters) {
    const { value, working } = flat.slot(name);
    parameter.bind(value, working);
  }
  return flat;
}

/** Writes initial values that depend on the seed and each parameter's name alone. */
export function initializeParameters(
  model: Module,
  device: Pick<Device, "shared" | "write">,
  seed: number,
): void {
  const parameters = uniqueParameters(model);
  const { shared } = device;
  if (shared) {
    for (const [name, parameter] of parameters) initializeIn(shared, name, parameter, seed);
    return;
  }
  // One block for all of them: freed one by one, they would stay resident for long.
  const largest = Math.max(0, ...[...parameters.values()].map(({ shape }) => sizeOf(shape)));
  const block = new Float32Array(largest);
  for (const [name, parameter] of parameters) {
    const values = block.subarray(0, sizeOf(parameter.shape));
    parameter.initialize(values, parameter.shape, HostRandom.named(seed, name));
    device.write(parameter.variable, values);
  }
}

/** The same where the parameter lies, by the device's threads. */
function initializeIn(
  { memory, addressOf, draw }: SharedMemory,
  name: string,
  { shape, variable, initialize }: Parameter,
  seed: number,
): void {
  const address = addressOf(variable);
  const { buffer } = memory;
  const random = HostRandom.named(seed, name, (values, what) =>
    // An initializer may fill arrays of its own.
    values.buffer === buffer ? draw(values, what) : drawInto(values, what),
  );
  initialize(new Float32Array(buffer, address, sizeOf(shape)), shape, random);
}

// What an update needs to know before it begins: its number and rate, its micro-batches, their randomness.
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { HostRandom } from "../nn/host_random.ts";
import type { RandomKey } from "./training_step.ts";

/** The batches that make one update, those of all peers. */
export interface GlobalBatch {
  /** Sentences of each micro-batch; none where a shard has none left. */
  readonly microBatches: readonly Int32Array[];
  collate(ids: Int32Array): LanguagePairBatch;
}

/** All that an update needs to know beforehand: the same on every peer. */
export interface UpdatePlan {
  /** Its number, from 1. */
  readonly update: number;
  readonly lr: number;
  /** Numbers of the micro-batches that hold sentences. */
  readonly present: readonly number[];
  /** By number of the micro-batch. */
  readonly keys: readonly RandomKey[];
  readonly kept: readonly string[];
  /** By droppable layer: whether it takes part, and in how many updates it then has. */
  readonly trained: readonly boolean[];
  readonly layerSteps: readonly number[];
}

/** What a plan is made from, besides its batches. */
export interface BeforeUpdate {
  readonly seed: number;
  readonly droppableLayers: EncoderDecoderModel["droppableLayers"];
  /** Updates made so far, and in how many of them each droppable layer took part. */
  readonly updates: number;
  readonly layerSteps: readonly number[];
  readonly lr: number;
  /** Those micro-batches that this peer's update is made of. */
  shareOf(present: readonly number[]): readonly number[];
}

export function planUpdate(
  { microBatches }: Pick<GlobalBatch, "microBatches">,
  before: BeforeUpdate,
): UpdatePlan {
  const { seed, droppableLayers, lr } = before;
  const update = before.updates + 1;
  const all = microBatches.flatMap((ids, number) => (ids.length > 0 ? [number] : []));
  const present = before.shareOf(all);
  const keys = microBatches.map((_, microBatch) => ({ seed, update, microBatch }));
  const kept = keys.map((key) => keptLayers(droppableLayers, key));
  const trained = before.layerSteps.map((_, layer) =>
    present.some((number) => kept[number][layer] === "1"),
  );
  const layerSteps = before.layerSteps.map((n, layer) => n + Number(trained[layer]));
  return { update, lr, present, keys, kept, trained, layerSteps };
}

/** Which layers take part: drawn anew for every micro-batch, from its place in the run alone. */
function keptLayers(
  layers: BeforeUpdate["droppableLayers"],
  { seed, update, microBatch }: RandomKey,
): string {
  if (layers.length === 0) return "";
  const random = HostRandom.named(seed, `layerdrop ${update} ${microBatch}`);
  return layers.map(({ p }) => (random.uniform() > p ? "1" : "0")).join("");
}

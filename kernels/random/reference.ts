// What dropout means: the same integers as every device, then float64.
import { NdArray } from "../nd_array.ts";
import type { Dropout } from "./index.ts";
import { dropoutMultiplier } from "./philox.ts";

export function dropoutReference({ p, stream }: Dropout, x: NdArray, key: NdArray): NdArray {
  const [seed, update, microBatch] = key.data;
  const randomKey = { seed, update, microBatch, stream };
  return new NdArray(
    x.shape,
    x.data.map((value, element) => value * dropoutMultiplier(element, p, randomKey)),
  );
}

export function dropoutAddReference(
  attributes: Dropout,
  [x, residual, key]: readonly NdArray[],
): NdArray {
  const kept = dropoutReference(attributes, x, key);
  return new NdArray(
    x.shape,
    kept.data.map((value, element) => residual.data[element] + value),
  );
}

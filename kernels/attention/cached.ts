// Attention of one decoding step over the key/value cache.
import { ShapeError } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import type { Op } from "../op.ts";
import { defaultScale } from "./attention.ts";
import { cachedExamples } from "./examples.ts";
import { cachedReference } from "./reference.ts";
import { cachedScratch } from "./scratch.ts";
import { cachedWgsl } from "./wgsl.ts";

export interface CachedAttributes {
  readonly heads: number;
  readonly scale: number;
}

const cachedOp: Op<CachedAttributes> = {
  name: "cached_attention",
  // q (R, E), keys (R0, L, E), values (R0, L, E), ancestors i32 (R, L), length i32 () -> (R, E)
  infer({ heads }, inputs) {
    const [q, keys, values, ancestors, length] = inputs;
    const fail = (problem: string): never => {
      throw new ShapeError("cached_attention", inputs, problem);
    };
    const [R, E] = q.shape;
    const [R0, L, keyE] = keys.shape;
    if (q.shape.length !== 2 || keys.shape.length !== 3) fail("q is (R, E), the caches (R0, L, E)");
    if (E !== keyE || keys.shape.join() !== values.shape.join()) fail("widths or caches differ");
    if ([q, keys, values].some(({ dtype }) => dtype !== "f32")) fail("q and the caches are f32");
    if (E % heads !== 0) fail(`width ${E} is not ${heads} equal heads`);
    if (R > R0) fail(`${R} rows of queries for ${R0} rows of cache`);
    if (ancestors.dtype !== "i32" || ancestors.shape.join() !== `${R},${L}`) {
      fail(`ancestors must be i32(${R}, ${L})`);
    }
    if (length.dtype !== "i32" || length.shape.length !== 0) fail("length must be a scalar i32");
    return [q];
  },
  reference: cachedReference,
  cpu({ attributes: { heads, scale }, inputs: [q, keys] }) {
    const [R, E] = q.shape;
    const L = keys.shape[1];
    return {
      kernel: "attention_cached",
      arguments: [
        ...[0, 1, 2, 3, 4].map((input) => ({ input })),
        ...[{ output: 0 }, { scratch: cachedScratch(L, heads) }],
        ...[L, heads, E / heads, { f32: scale }],
      ],
      work: R,
    };
  },
  webgpu: cachedWgsl,
  examples: cachedExamples,
};

/**
 * Attention of R hypotheses, one new token each, over the `length` tokens so far. The cache is never
 * moved when beams change places: the key of row r at position j lies at
 * keyCache[ancestors[r, j], j], so reordering rewrites small integers only. No gradient.
 *
 * @param q (R, E). @param keyCache (R0, L, E), R <= R0. @param valueCache (R0, L, E).
 * @param ancestors i32 (R, L), read below `length`. @param length i32 (), positions in use, at most L.
 * @returns (R, E). @throws ShapeError
 */
export function cachedAttention(
  q: Tensor,
  keyCache: Tensor,
  valueCache: Tensor,
  ancestors: Tensor,
  length: Tensor,
  { heads, scale = defaultScale(q, heads) }: { heads: number; scale?: number },
): Tensor {
  return apply(cachedOp, { heads, scale }, q, keyCache, valueCache, ancestors, length);
}

export const cachedOps = [cachedOp] as readonly Op<unknown>[];

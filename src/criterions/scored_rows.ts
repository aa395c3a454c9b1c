import { concat, reshape, slice } from "../../kernels/movement/index.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { PackedRows } from "../nn/packed_rows.ts";
import { constant, type Tensor } from "../tensor/tensor.ts";
import type { Sample } from "./criterion.ts";

/**
 * What a loss over single target positions needs: logits (N, V) and the right tokens (N), padding
 * where nothing counts. N are all positions of the batch, or those that are packed.
 *
 * @param ignored so many positions at the start of every sentence count as padding.
 */
export function scoredRows(
  model: EncoderDecoderModel,
  { srcTokens, prevOutputTokens, target, targetRows, targetPlaces, targetStarts }: Sample,
  padding: number,
  ignored = 0,
): { logits: Tensor; labels: Tensor } {
  const counted = ignored > 0 ? withoutPrefix(target, padding, ignored) : target; // (B, T)
  const packed =
    targetRows && targetPlaces && targetStarts
      ? new PackedRows(targetRows, targetPlaces, targetStarts)
      : undefined;
  const logits = model.forward(srcTokens, prevOutputTokens, packed); // (B, T, V) or (N, V)
  if (packed && logits.shape.length === 2) return { logits, labels: packed.packNumbers(counted) };
  const [B, T, V] = logits.shape;
  return { logits: reshape(logits, [B * T, V]), labels: reshape(counted, [B * T]) };
}

/** Tokens (B, T) with padding in place of the first ones of every row. */
function withoutPrefix(target: Tensor, padding: number, prefix: number): Tensor {
  const [B, T] = target.shape;
  const count = Math.min(prefix, T);
  const blank = constant(new Int32Array(B * count).fill(padding), [B, count]);
  return concat([blank, slice(target, 1, count, T)], 1); // (B, T)
}

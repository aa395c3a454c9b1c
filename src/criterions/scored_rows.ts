import { concat, reshape, slice } from "../../kernels/movement/index.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import { PackedRows } from "../nn/packed_rows.ts";
import { sizeOf } from "../tensor/shape.ts";
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
  if (targetRows && targetPlaces && targetStarts) {
    const packed = new PackedRows(targetRows, targetPlaces, targetStarts);
    const logits = model.forwardPacked(srcTokens, prevOutputTokens, packed); // (N, V)
    return { logits, labels: packed.packNumbers(counted) };
  }
  const all = model.forward(srcTokens, prevOutputTokens); // (B, T, V)
  const [B, T, V] = all.shape;
  return { logits: reshape(all, [B * T, V]), labels: reshape(counted, [sizeOf(target.shape)]) };
}

/** Tokens (B, T) with padding in place of the first ones of every row. */
function withoutPrefix(target: Tensor, padding: number, prefix: number): Tensor {
  const [B, T] = target.shape;
  const count = Math.min(prefix, T);
  const blank = constant(new Int32Array(B * count).fill(padding), [B, count]);
  return concat([blank, slice(target, 1, count, T)], 1); // (B, T)
}

// Moving elements: reshape, permute, slice, concat, pad, broadcast, rows by number, the cache.
import {
  normalizeAxis,
  type Shape,
  ShapeError,
  sameShape,
  sizeOf,
} from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import type { Op } from "../op.ts";
import { reshapeExamples } from "./examples.ts";
import { concatAxis, padAxis, permute, rearrangeOps, sliceAxis } from "./rearrange.ts";
import { reshapeReference } from "./reference.ts";
import { rowOps } from "./rows.ts";

export { broadcastTo, copy, permute } from "./rearrange.ts";
export {
  cacheStore,
  gatherCpu,
  gatherRows,
  moveRows,
  type RowsCopy,
  scatterAddRows,
  scatterCpu,
} from "./rows.ts";
export { wholeCopyCpu } from "./strided.ts";

const reshapeOp: Op<{ readonly shape: Shape }> = {
  name: "reshape",
  infer({ shape }, [x]) {
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      throw new ShapeError("reshape", [x], `has not the elements of (${shape.join(", ")})`);
    }
    return [{ shape, dtype: x.dtype }];
  },
  gradient: ({ inputs: [x] }, [dy]) => (dy ? [reshape(dy, x.shape)] : []),
  reference: ({ shape }, [x]) => [reshapeReference(shape, x)],
  cpu: () => [],
  webgpu: () => [],
  alias: true,
  halfInputs: "all",
  examples: reshapeExamples,
};

/** The same elements in the same order under another shape; costs nothing. @throws ShapeError */
export const reshape = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : apply(reshapeOp, { shape }, x);

/** x with two axes exchanged; the last two by default. */
export function transpose(x: Tensor, first = -2, second = -1): Tensor {
  const a = normalizeAxis("transpose", x.spec, first);
  const b = normalizeAxis("transpose", x.spec, second);
  const axes = x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis));
  return permute(x, axes);
}

/** x[start..end) along an axis. @throws ShapeError */
export const slice = (x: Tensor, axis: number, start: number, end: number): Tensor =>
  sliceAxis(x, normalizeAxis("slice", x.spec, axis), start, end);

/** Tensors one after the other along an axis; all other extents are equal. @throws ShapeError */
export const concat = (tensors: readonly Tensor[], axis: number): Tensor =>
  concatAxis(tensors, normalizeAxis("concat", tensors[0].spec, axis));

/** x with zeros before and after it along an axis. */
export const pad = (x: Tensor, axis: number, before: number, after: number): Tensor =>
  padAxis(x, normalizeAxis("pad", x.spec, axis), before, after);

export const movementOps = [...rearrangeOps, ...rowOps, reshapeOp] as readonly Op<unknown>[];

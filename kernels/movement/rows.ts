// Rows chosen by index: gather, its deterministic scatter-add, and the decoder's cache.
import { isFloat, type Shape, ShapeError, sameShape, sizeOf } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import { NdArray } from "../nd_array.ts";
import type { CpuDispatch, NoAttributes, Op } from "../op.ts";
import { cacheStoreExamples, gatherExamples, moveExamples, scatterExamples } from "./examples.ts";
import { cacheStoreReference, gatherReference, scatterReference } from "./reference.ts";
import { cacheStoreWgsl, gatherWgsl, scatterWgsl } from "./wgsl.ts";

/** How rows are gathered and scattered: `scale` multiplies them on the way. */
export interface RowsCopy {
  readonly rows: number;
  readonly width: number;
  readonly count: number;
  readonly scale: number;
  /** Rows with this index take no part in the scatter; -1 for none. */
  readonly skipped: number;
}

/** y (count, width) from x (rows, width) and index (count). */
export const gatherCpu = ({ rows, width, count, scale }: RowsCopy): CpuDispatch => ({
  kernel: "movement_gather",
  arguments: [{ input: 0 }, { input: 1 }, { output: 0 }, rows, width, { f32: scale }],
  work: count,
  grain: Math.max(1, Math.floor(4096 / Math.max(1, width))),
});

/**
 * y (rows, width) from dy (count, width) and index (count): columns are split over the threads.
 *
 * @param adds to what y holds, in place of zeros.
 */
export const scatterCpu = (
  { rows, width, count, scale, skipped }: RowsCopy,
  adds = false,
): CpuDispatch => ({
  kernel: "movement_scatter_add",
  arguments: [
    { input: 0 },
    { input: 1 },
    { output: 0 },
    count,
    rows,
    width,
    { f32: scale },
    skipped,
    adds ? 1 : 0,
  ],
  work: width,
  grain: 16,
});

/** Shape of rows (N, ...) gathered by an index of any shape. */
const gatheredShape = (x: Shape, index: Shape): Shape => [...index, ...x.slice(1)];

function rowsOf(x: Shape, index: Shape): RowsCopy {
  return {
    rows: x[0],
    width: sizeOf(x.slice(1)),
    count: sizeOf(index),
    scale: 1,
    skipped: -1,
  };
}

const gatherOp: Op<NoAttributes> = {
  name: "gather_rows",
  infer(_, [x, index]) {
    if (x.shape.length === 0 || index.dtype !== "i32") {
      throw new ShapeError("gather_rows", [x, index], "needs rows and i32 row numbers");
    }
    return [{ shape: gatheredShape(x.shape, index.shape), dtype: x.dtype }];
  },
  gradient({ inputs: [x, index] }, [dy]) {
    return dy && isFloat(x.dtype) ? [scatterAddRows(dy, index, x.shape)] : [];
  },
  reference: (_, [x, index]) => [gatherReference(x, index, 1)],
  cpu: ({ inputs: [x, index] }) => gatherCpu(rowsOf(x.shape, index.shape)),
  webgpu: ({ inputs: [x, index] }, facts) =>
    gatherWgsl(rowsOf(x.shape, index.shape), x.dtype, facts),
  halfInputs: [0],
  examples: gatherExamples,
};

/**
 * Rows of x by number: x (N, ...), index i32 (...) -> (...index, ...). A number outside [0, N)
 * gives zeros.
 */
export const gatherRows = (x: Tensor, index: Tensor): Tensor => apply(gatherOp, {}, x, index);

/** Rows of x (...rows, C) as many as `from` numbers. */
const movedRows = (from: Shape, to: Shape, x: Shape): RowsCopy => ({
  rows: sizeOf(from),
  width: x[x.length - 1],
  count: sizeOf(to),
  scale: 1,
  skipped: -1,
});

const moveOp: Op<NoAttributes> = {
  name: "move_rows",
  // x (...from, C), index i32 (...to), inverse i32 (...from) -> (...to, C)
  infer(_, [x, index, inverse]) {
    const inputs = [x, index, inverse];
    if (index.dtype !== "i32" || inverse.dtype !== "i32" || x.shape.length === 0) {
      throw new ShapeError("move_rows", inputs, "needs rows and i32 row numbers");
    }
    if (!sameShape(x.shape.slice(0, -1), inverse.shape)) {
      throw new ShapeError("move_rows", inputs, "needs one number of the inverse for each row");
    }
    return [{ shape: [...index.shape, x.shape[x.shape.length - 1]], dtype: x.dtype }];
  },
  gradient({ inputs: [x, index, inverse] }, [dy]) {
    return dy && isFloat(x.dtype) ? [moveRows(dy, inverse, index)] : [];
  },
  reference: (_, [x, index]) => {
    const width = x.shape[x.shape.length - 1];
    const rows = NdArray.of([sizeOf(x.shape.slice(0, -1)), width], x.data);
    return [gatherReference(rows, index, 1)];
  },
  cpu: ({ inputs: [x, index, inverse] }) =>
    gatherCpu(movedRows(inverse.shape, index.shape, x.shape)),
  webgpu: ({ inputs: [x, index, inverse] }, facts) =>
    gatherWgsl(movedRows(inverse.shape, index.shape, x.shape), x.dtype, facts),
  halfInputs: [0],
  examples: moveExamples,
};

/**
 * Rows in other places: x (...from, C), index i32 (...to) -> (...to, C). Row n of the result is row
 * index[n] of x, counted through; zeros where index[n] is -1. No row may be taken twice.
 *
 * @param inverse i32 (...from): which n takes a row of x, -1 where none does. The gradient moves
 *   rows by it in turn, so it need not add up anything.
 * @throws ShapeError
 */
export const moveRows = (x: Tensor, index: Tensor, inverse: Tensor): Tensor =>
  apply(moveOp, {}, x, index, inverse);

const scatterOp: Op<{ readonly shape: Shape }> = {
  name: "scatter_add_rows",
  infer({ shape }, [dy, index]) {
    const fits = sameShape(dy.shape, gatheredShape(shape, index.shape));
    if (!isFloat(dy.dtype) || index.dtype !== "i32" || !fits) {
      const problem = `(${shape.join(", ")}) needs rows of floats and their i32 numbers`;
      throw new ShapeError("scatter_add_rows", [dy, index], problem);
    }
    return [{ shape, dtype: dy.dtype }];
  },
  reference: ({ shape }, [dy, index]) => [scatterReference(dy, index, shape, 1, -1)],
  cpu: ({ attributes: { shape }, inputs: [, index] }) => scatterCpu(rowsOf(shape, index.shape)),
  webgpu: ({ attributes: { shape }, inputs: [dy, index] }, facts) =>
    scatterWgsl(rowsOf(shape, index.shape), dy.dtype, facts),
  halfInputs: [0],
  examples: scatterExamples,
};

/**
 * Zeros of `shape` (N, ...) with row m of dy added to row index[m], in the order of m: the gradient
 * of gatherRows, with the same bits at every run.
 */
export const scatterAddRows = (dy: Tensor, index: Tensor, shape: Shape): Tensor =>
  apply(scatterOp, { shape }, dy, index);

const cacheStoreOp: Op<NoAttributes> = {
  name: "cache_store",
  infer(_, [cache, x, position]) {
    const inputs = [cache, x, position];
    if (position.dtype !== "i32" || sizeOf(position.shape) !== 1 || x.dtype !== cache.dtype) {
      throw new ShapeError(
        "cache_store",
        inputs,
        "needs one i32 position and rows like the cache's",
      );
    }
    const [R, , C] = cache.shape;
    const [rows, width] = x.shape;
    if (cache.shape.length !== 3 || x.shape.length !== 2 || width !== C || rows > R) {
      throw new ShapeError("cache_store", inputs, "is not (R, L, C) x (r, C) with r <= R");
    }
    return [cache];
  },
  reference: (_, inputs) => [cacheStoreReference(inputs)],
  cpu({ inputs: [cache, x] }) {
    const [R, L, C] = cache.shape;
    return {
      kernel: "movement_cache_store",
      arguments: [{ input: 0 }, { input: 1 }, { input: 2 }, { output: 0 }, x.shape[0], L, C],
      work: R,
      grain: Math.max(1, Math.floor(4096 / Math.max(1, C))),
    };
  },
  webgpu: cacheStoreWgsl,
  inPlace: [[0, 0]],
  halfInputs: "all",
  examples: cacheStoreExamples,
};

/**
 * The decoder's cache with the rows of one step: cache (R, L, C), x (r, C), r <= R, position i32
 * scalar -> cache with [row, position, :] = x[row]. In place when nobody reads the old cache. A
 * position outside [0, L) changes nothing. No gradient.
 */
export const cacheStore = (cache: Tensor, x: Tensor, position: Tensor): Tensor =>
  apply(cacheStoreOp, {}, cache, x, position);

export const rowOps = [gatherOp, moveOp, scatterOp, cacheStoreOp] as readonly Op<unknown>[];

// Sums, means and maxima over axes.
import { normalizeAxis, type Shape, ShapeError, sameShape } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import { affine, cast, div, equal, mul } from "../elementwise/index.ts";
import { broadcastTo, reshape } from "../movement/index.ts";
import type { Op } from "../op.ts";
import { type Kind, reducedShape, reduceOp } from "./reduce.ts";

const sumOp = reduceOp("sum", (x, _, dy, reduction) => spread(dy, reduction, x.shape));

// Equal maxima share the gradient evenly.
const maxOp = reduceOp("max", (x, y, dy, reduction) => {
  const isMaximum = cast(equal(x, spread(y, reduction, x.shape)), x.dtype);
  const count = apply(sumOp, { ...reduction, keepDim: true }, isMaximum);
  const kept = reshape(dy, count.shape);
  return mul(isMaximum, div(kept, count));
});

const squareSumOp = reduceOp("square_sum", (x, _, dy, reduction) =>
  cast(mul(affine(cast(x, "f32"), 2, 0), spread(dy, reduction, x.shape)), x.dtype),
);

/** A reduced tensor over the shape it was reduced from. */
function spread(y: Tensor, reduction: { from: number; to: number }, shape: Shape): Tensor {
  return broadcastTo(reshape(y, reducedShape({ ...reduction, keepDim: true }, shape)), shape);
}

export interface ReduceOptions {
  /** Axes to reduce, negative ones counted from the end. Default: all. */
  readonly axis?: number | readonly number[];
  /** Leave reduced axes with extent 1. Default false. */
  readonly keepDim?: boolean;
}

const opOf = { sum: sumOp, max: maxOp, square_sum: squareSumOp } as const;

/** One op per group of neighbouring axes, the last group first so that numbers stay valid. */
function reduce(kind: Kind, x: Tensor, { axis, keepDim = false }: ReduceOptions): Tensor {
  const rank = x.shape.length;
  const given = axis === undefined ? x.shape.map((_, i) => i) : [axis].flat();
  const axes = [...new Set(given.map((one) => normalizeAxis(kind, x.spec, one)))];
  axes.sort((a, b) => b - a);
  if (rank === 0) return apply(opOf[kind], { from: 0, to: 0, keepDim }, x);
  let result = x;
  for (let i = 0; i < axes.length; ) {
    const to = axes[i] + 1;
    let from = axes[i];
    for (i++; i < axes.length && axes[i] === from - 1; i++) from = axes[i];
    result = apply(opOf[kind], { from, to, keepDim }, result);
  }
  return result;
}

/** Sum over axes, f32 with f64 between blocks of 1,024 of a row. */
export const sum = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce("sum", x, options);

/** Largest element over axes. @throws ShapeError over an empty axis. */
export const max = (x: Tensor, options: ReduceOptions = {}): Tensor => reduce("max", x, options);

/** Mean over axes. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const total = sum(x, options);
  return total.size === 0 ? total : affine(total, total.size / x.size, 0);
}

/** Sum of squares of all elements, a scalar: what a gradient norm is the root of. */
export const squareSum = (x: Tensor): Tensor =>
  apply(squareSumOp, { from: 0, to: x.shape.length, keepDim: false }, x);

/**
 * Sums the axes over which `shape` was broadcast to x's: the gradient of broadcasting.
 *
 * @throws ShapeError if x is no broadcast of `shape`.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const missing = x.shape.length - shape.length;
  if (missing < 0) {
    throw new ShapeError("sumTo", [x.spec], `has fewer axes than (${shape.join(", ")})`);
  }
  const axes = x.shape.flatMap((extent, axis) => {
    const wanted = shape[axis - missing];
    if (axis >= missing && wanted !== extent && wanted !== 1) {
      throw new ShapeError("sumTo", [x.spec], `is no broadcast of (${shape.join(", ")})`);
    }
    return axis < missing || (wanted === 1 && extent !== 1) ? [axis] : [];
  });
  const total = axes.length === 0 ? x : sum(x, { axis: axes, keepDim: true });
  return reshape(total, shape);
}

export const reduceOps = [sumOp, maxOp, squareSumOp] as readonly Op<unknown>[];

// How kernels walk over strided operands: neighbouring axes that all operands walk evenly are merged.
import { type Shape, stridesOf } from "../src/tensor/shape.ts";

/** Merged axes a kernel takes: four of rows and one inside the row. */
export const MERGED_AXES = 5;

export interface MergedAxes {
  /** Merged extents without ones, but at least one axis; the last is walked innermost. */
  readonly extents: readonly number[];
  /** Per operand, elements between neighbours on each merged axis; 0 where it is repeated. */
  readonly strides: readonly (readonly number[])[];
}

/** Merges axes of `shape`, over which operands move by `strides` (one list of shape's rank each). */
export function mergeAxes(shape: Shape, strides: readonly (readonly number[])[]): MergedAxes {
  const extents: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    const even =
      extents.length > 0 && strides.every((own, i) => own[axis] === merged[i][0] * extents[0]);
    if (even) {
      extents[0] *= shape[axis];
      continue;
    }
    extents.unshift(shape[axis]);
    for (const [i, own] of strides.entries()) merged[i].unshift(own[axis]);
  }
  if (extents.length === 0) return { extents: [1], strides: strides.map(() => [1]) };
  return { extents, strides: merged };
}

/** Strides of an operand seen as `shape`: 0 on the axes where it is broadcast. */
export function broadcastStrides(operand: Shape, shape: Shape): number[] {
  const own = stridesOf(operand);
  const missing = shape.length - operand.length;
  return shape.map((_, axis) => {
    const from = axis - missing;
    return from < 0 || operand[from] === 1 ? 0 : own[from];
  });
}

/** `values` with `fill` in front, MERGED_AXES in all. */
export const padAxes = (values: readonly number[], fill: number): number[] => [
  ...new Array<number>(MERGED_AXES - values.length).fill(fill),
  ...values,
];

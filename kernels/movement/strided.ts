// Ops that are one or more strided copies: permute, slice, concat, broadcastTo, pad.
import {
  type Shape,
  ShapeError,
  sizeOf,
  stridesOf,
  type TensorSpec,
} from "../../src/tensor/shape.ts";
import { MERGED_AXES, mergeAxes, padAxes } from "../merged_axes.ts";
import type { CpuDispatch } from "../op.ts";

/** y[yOffset + i . yStrides] = x[xOffset + i . xStrides] for all i in `shape`. */
export interface StridedCopy {
  readonly input: number;
  readonly shape: Shape;
  readonly xOffset: number;
  readonly xStrides: readonly number[];
  readonly yOffset: number;
  readonly yStrides: readonly number[];
}

/** A copy with its axes merged, MERGED_AXES numbers each. */
export interface MergedCopy {
  readonly input: number;
  readonly elements: number;
  readonly xOffset: number;
  readonly yOffset: number;
  readonly extents: readonly number[];
  readonly xStrides: readonly number[];
  readonly yStrides: readonly number[];
}

/** @throws ShapeError when more than MERGED_AXES axes remain. */
export function mergeCopy(
  op: string,
  inputs: readonly TensorSpec[],
  copy: StridedCopy,
): MergedCopy {
  const { extents, strides } = mergeAxes(copy.shape, [copy.xStrides, copy.yStrides]);
  if (extents.length > MERGED_AXES) {
    throw new ShapeError(
      op,
      inputs,
      `${extents.length} axes move apart; ${MERGED_AXES} is the most`,
    );
  }
  return {
    input: copy.input,
    elements: sizeOf(copy.shape),
    xOffset: copy.xOffset,
    yOffset: copy.yOffset,
    extents: padAxes(extents, 1),
    xStrides: padAxes(strides[0], 0),
    yStrides: padAxes(strides[1], 0),
  };
}

/** Copies of one op write different elements: none waits for another. */
export const copiesCpu = (copies: readonly MergedCopy[]): readonly CpuDispatch[] =>
  copies.map((copy, i) => ({ ...copyCpu(copy), follows: i > 0 }));

/** An input to output 0, whole: left out where they are one memory. */
export const wholeCopyCpu = (input: number, elements: number): CpuDispatch => ({
  kernel: "movement_copy",
  arguments: [{ input }, { output: 0 }, 0, 0, 1],
  work: elements,
  grain: 16384,
  copies: true,
});

function copyCpu(copy: MergedCopy): CpuDispatch {
  const { extents, xStrides, yStrides } = copy;
  const operands = [{ input: copy.input }, { output: 0 }];
  const inner = extents[MERGED_AXES - 1];
  const rows = inner === 0 ? 0 : copy.elements / inner;
  if (transposes(copy)) {
    const [, , outer, M, N] = extents;
    return {
      kernel: "movement_transpose",
      arguments: [...operands, M, N],
      work: copy.elements === 0 ? 0 : outer * Math.ceil(M / 16),
      grain: Math.max(1, Math.floor(512 / Math.max(1, N))),
    };
  }
  const xStep = xStrides[MERGED_AXES - 1];
  if (rows === 1 && xStep <= 1 && yStrides[MERGED_AXES - 1] === 1) {
    return {
      kernel: "movement_copy",
      arguments: [...operands, copy.xOffset, copy.yOffset, xStep],
      work: inner,
      grain: 16384,
    };
  }
  const numbers = [copy.xOffset, copy.yOffset, ...extents.slice(1), ...xStrides, ...yStrides];
  return {
    kernel: "movement_strided",
    arguments: [...operands, ...numbers],
    work: rows,
    grain: Math.max(1, Math.floor(8192 / Math.max(1, inner))),
  };
}

/** Is it y (outer, M, N) from x (outer, N, M), both without gaps? */
function transposes({ extents, xStrides, yStrides, xOffset, yOffset }: MergedCopy): boolean {
  const [d0, d1, outer, M, N] = extents;
  return (
    d0 === 1 &&
    d1 === 1 &&
    N > 1 &&
    xOffset === 0 &&
    yOffset === 0 &&
    xStrides[3] === 1 &&
    xStrides[4] === M &&
    yStrides[4] === 1 &&
    yStrides[3] === N &&
    (outer === 1 || (xStrides[2] === M * N && yStrides[2] === M * N))
  );
}

/** All of x to all of y, y walked in order and x by `xStrides`. */
export const gathering = (
  shape: Shape,
  xStrides: readonly number[],
  xOffset = 0,
): readonly StridedCopy[] => [
  { input: 0, shape, xOffset, xStrides, yOffset: 0, yStrides: stridesOf(shape) },
];

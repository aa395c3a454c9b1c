// What the movement ops mean. Float64, plain loops, never fast.
import { type Shape, sizeOf, stridesOf } from "../../src/tensor/shape.ts";
import { broadcastStrides } from "../merged_axes.ts";
import { NdArray } from "../nd_array.ts";
import type { Padding, Slice } from "./rearrange.ts";

/** Calls `visit` with the coordinates of every element in row-major order. */
function eachElement(shape: Shape, visit: (at: readonly number[], index: number) => void): void {
  const strides = stridesOf(shape);
  const size = sizeOf(shape);
  for (let index = 0; index < size; index++) {
    visit(
      shape.map((extent, axis) => Math.floor(index / strides[axis]) % extent),
      index,
    );
  }
}

const indexOf = (at: readonly number[], strides: readonly number[]): number =>
  at.reduce((index, coordinate, axis) => index + coordinate * strides[axis], 0);

export const reshapeReference = (shape: Shape, x: NdArray): NdArray => new NdArray(shape, x.data);

export function permuteReference(axes: readonly number[], x: NdArray): NdArray {
  const y = NdArray.zeros(axes.map((axis) => x.shape[axis]));
  const strides = stridesOf(x.shape);
  eachElement(y.shape, (at, index) => {
    const from = new Array<number>(at.length);
    for (const [i, axis] of axes.entries()) from[axis] = at[i];
    y.data[index] = x.data[indexOf(from, strides)];
  });
  return y;
}

export function sliceReference({ axis, start, end }: Slice, x: NdArray): NdArray {
  const y = NdArray.zeros(x.shape.with(axis, end - start));
  const strides = stridesOf(x.shape);
  eachElement(y.shape, (at, index) => {
    y.data[index] = x.data[indexOf(at.with(axis, at[axis] + start), strides)];
  });
  return y;
}

export function concatReference(axis: number, inputs: readonly NdArray[]): NdArray {
  const extent = inputs.reduce((total, { shape }) => total + shape[axis], 0);
  const y = NdArray.zeros(inputs[0].shape.with(axis, extent));
  const strides = stridesOf(y.shape);
  let start = 0;
  for (const x of inputs) {
    eachElement(x.shape, (at, index) => {
      y.data[indexOf(at.with(axis, at[axis] + start), strides)] = x.data[index];
    });
    start += x.shape[axis];
  }
  return y;
}

export function broadcastReference(shape: Shape, x: NdArray): NdArray {
  const y = NdArray.zeros(shape);
  const strides = broadcastStrides(x.shape, shape);
  eachElement(shape, (at, index) => {
    y.data[index] = x.data[indexOf(at, strides)];
  });
  return y;
}

export function padReference({ axis, before, after }: Padding, x: NdArray): NdArray {
  const y = NdArray.zeros(x.shape.with(axis, before + x.shape[axis] + after));
  const strides = stridesOf(y.shape);
  eachElement(x.shape, (at, index) => {
    y.data[indexOf(at.with(axis, at[axis] + before), strides)] = x.data[index];
  });
  return y;
}

export function gatherReference(x: NdArray, index: NdArray, scale: number): NdArray {
  const [rows, ...rest] = x.shape;
  const width = sizeOf(rest);
  const y = NdArray.zeros([...index.shape, ...rest]);
  for (let m = 0; m < index.size; m++) {
    const row = index.data[m];
    if (row < 0 || row >= rows) continue;
    for (let c = 0; c < width; c++) y.data[m * width + c] = scale * x.data[row * width + c];
  }
  return y;
}

export function scatterReference(
  dy: NdArray,
  index: NdArray,
  shape: Shape,
  scale: number,
  skipped: number,
): NdArray {
  const [rows, ...rest] = shape;
  const width = sizeOf(rest);
  const y = NdArray.zeros(shape);
  for (let m = 0; m < index.size; m++) {
    const row = index.data[m];
    if (row === skipped || row < 0 || row >= rows) continue;
    for (let c = 0; c < width; c++) y.data[row * width + c] += scale * dy.data[m * width + c];
  }
  return y;
}

export function cacheStoreReference([cache, x, position]: readonly NdArray[]): NdArray {
  const [, L, C] = cache.shape;
  const y = NdArray.of(cache.shape, cache.data);
  const at = position.data[0];
  if (at < 0 || at >= L) return y;
  for (let r = 0; r < x.shape[0]; r++) {
    for (let c = 0; c < C; c++) y.data[(r * L + at) * C + c] = x.data[r * C + c];
  }
  return y;
}

// Shapes and element types: what every room above agrees on. No storage, no device.

/**
 * f32: IEEE single. f16: IEEE half, what --fp16 stores; kernels compute with it in f32, and only the
 * webgpu device has it. i32: token ids, positions, lengths, masks (0 or 1).
 */
export type DType = "f32" | "f16" | "i32";

export type Shape = readonly number[];

export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Bytes of an element in memory. */
export const bytesPerElement = (dtype: DType): number => (dtype === "f16" ? 2 : 4);

/** Whether a tensor of this dtype has gradients. */
export const isFloat = (dtype: DType): boolean => dtype !== "i32";

/** Whether all are f32, or all f16. */
export const areAlike = (specs: readonly TensorSpec[]): boolean =>
  specs.every(({ dtype }) => isFloat(dtype) && dtype === specs[0].dtype);

/** Number of elements, 1 for a scalar; or the product of the axes [from, to) alone. */
export function sizeOf(shape: Shape, from = 0, to = shape.length): number {
  let size = 1;
  for (let axis = from; axis < to; axis++) size *= shape[axis];
  return size;
}

/** Bytes of storage: whole words, for devices copy no less. */
export const bytesOf = ({ shape, dtype }: TensorSpec): number =>
  Math.ceil((sizeOf(shape) * bytesPerElement(dtype)) / 4) * 4;

export const f32 = (...shape: number[]): TensorSpec => ({ shape, dtype: "f32" });
export const f16 = (...shape: number[]): TensorSpec => ({ shape, dtype: "f16" });
export const i32 = (...shape: number[]): TensorSpec => ({ shape, dtype: "i32" });

export const formatShape = (shape: Shape): string => `(${shape.join(", ")})`;

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Length of the last axis; 1 for a scalar. */
export const lastOf = (shape: Shape): number => shape.at(-1) ?? 1;

/** Number of rows when all axes but the last are merged: (..., C) -> N. */
export const rowsOf = (shape: Shape): number => sizeOf(shape, 0, shape.length - 1);

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** A wrong shape or dtype handed to an op. Names the op and what it got. */
export class ShapeError extends Error {
  constructor(op: string, inputs: readonly TensorSpec[], problem: string) {
    const got = inputs.map(({ shape, dtype }) => `${dtype}${formatShape(shape)}`).join(" x ");
    super(`${op}: ${got}: ${problem}`);
    this.name = "ShapeError";
  }
}

/** NumPy's broadcasting of two shapes. @throws ShapeError where extents differ and neither is 1. */
export function broadcastShapes(op: string, a: TensorSpec, b: TensorSpec): number[] {
  const rank = Math.max(a.shape.length, b.shape.length);
  const result = new Array<number>(rank);
  for (let axis = 1; axis <= rank; axis++) {
    const m = a.shape.at(-axis) ?? 1;
    const n = b.shape.at(-axis) ?? 1;
    if (axis > a.shape.length) result[rank - axis] = n;
    else if (axis > b.shape.length) result[rank - axis] = m;
    else if (m !== n && m !== 1 && n !== 1) {
      throw new ShapeError(op, [a, b], `extents ${m} and ${n} do not broadcast`);
    } else result[rank - axis] = m === 1 ? n : m;
  }
  return result;
}

/** `axis` counted from the front. @throws ShapeError when it is out of range. */
export function normalizeAxis(op: string, spec: TensorSpec, axis: number): number {
  const rank = spec.shape.length;
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) {
    throw new ShapeError(op, [spec], `there is no axis ${axis}`);
  }
  return normalized;
}

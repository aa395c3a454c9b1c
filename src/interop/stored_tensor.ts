// Tensors as files hold them: bytes in little-endian order with a dtype, row-major. The names of the
// dtypes are safetensors'.
import { halfToNumber } from "../tensor/half.ts";

/** Bytes of one element. */
export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

export type StoredDtype = keyof typeof DTYPE_BYTES;

/** A contiguous row-major tensor. Its bytes may start anywhere in their buffer. */
export interface StoredTensor {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function isStoredDtype(name: string): name is StoredDtype {
  return Object.hasOwn(DTYPE_BYTES, name);
}

/** Number of elements; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Wraps float32 data without copying it. */
export function float32Tensor(shape: readonly number[], data: Float32Array): StoredTensor {
  return {
    dtype: "F32",
    shape,
    bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

/**
 * The tensor's values as float32: exact for F32, F16, BF16, small integers and BOOL, rounded for
 * F64 and integers beyond 2^24. For F32 the result shares the tensor's memory.
 */
export function toFloat32(tensor: StoredTensor): Float32Array {
  const n = elementCount(tensor.shape);
  if (tensor.dtype === "F32") return view(tensor, Float32Array, n);
  const values = new Float32Array(n);
  const source = elements(tensor, n);
  for (let i = 0; i < n; i++) values[i] = source(i);
  return values;
}

/** The tensor's values as numbers (int64 beyond 2^53 is rounded). */
export function toNumbers(tensor: StoredTensor): number[] {
  const n = elementCount(tensor.shape);
  const source = elements(tensor, n);
  return Array.from({ length: n }, (_, i) => source(i));
}

function elements(tensor: StoredTensor, n: number): (index: number) => number {
  switch (tensor.dtype) {
    case "F64":
      return at(view(tensor, Float64Array, n));
    case "F32":
      return at(view(tensor, Float32Array, n));
    case "I32":
      return at(view(tensor, Int32Array, n));
    case "I16":
      return at(view(tensor, Int16Array, n));
    case "I8":
      return at(view(tensor, Int8Array, n));
    case "U8":
    case "BOOL":
      return at(tensor.bytes);
    case "I64": {
      const data = view(tensor, BigInt64Array, n);
      return (i) => Number(data[i]);
    }
    case "F16": {
      const data = view(tensor, Uint16Array, n);
      return (i) => halfToNumber(data[i]);
    }
    case "BF16": {
      const data = view(tensor, Uint16Array, n);
      return (i) => bhalfToNumber(data[i]);
    }
  }
}

const at = (data: ArrayLike<number>) => (index: number) => data[index];

interface TypedArrayConstructor<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

function view<T>(tensor: StoredTensor, type: TypedArrayConstructor<T>, length: number): T {
  const { bytes } = tensor;
  const aligned = bytes.byteOffset % type.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new type(aligned.buffer, aligned.byteOffset, length);
}

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** The value of bfloat16 bits: the upper half of a float32. */
export function bhalfToNumber(bits: number): number {
  word[0] = bits << 16;
  return single[0];
}

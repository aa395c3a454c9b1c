// What an engine hands to a device: a straight list of instructions over placed values.
// Nothing here is specific to a device; where buffers lie in memory is the device's business.
import type { Op } from "../../kernels/op.ts";
import { packHalves, unpackHalves } from "../tensor/half.ts";
import { type DType, sizeOf, type TensorSpec } from "../tensor/shape.ts";
import type { Variable } from "../tensor/variable.ts";

/** Values on the host: f16 tensors are Float32Array too. */
export type HostArray = Float32Array | Int32Array;

/** The values of a tensor from its bytes in device memory. */
export function hostArray({ shape, dtype }: TensorSpec, bytes: ArrayBuffer): HostArray {
  if (dtype === "f16") return unpackHalves(bytes, sizeOf(shape));
  return dtype === "i32" ? new Int32Array(bytes) : new Float32Array(bytes);
}

/** The inverse: what is written to device memory. */
export const deviceArray = (dtype: DType, values: HostArray): HostArray | Uint16Array =>
  dtype === "f16" ? packHalves(values) : values;

/** A piece of memory. Values lie in buffers; several may share one (aliases, in-place results). */
export type Buffer =
  /** Live from instruction `first` to `last`, both inclusive. */
  | { readonly kind: "temporary"; bytes: number; first: number; last: number }
  | { readonly kind: "input"; readonly bytes: number; readonly name: string }
  | { readonly kind: "constant"; readonly bytes: number; readonly data: HostArray }
  /** The whole storage of a root variable. */
  | { readonly kind: "variable"; readonly bytes: number; readonly variable: Variable };

/** A tensor with its place: `offset` bytes into buffer number `buffer`. */
export interface Value {
  readonly spec: TensorSpec;
  readonly buffer: number;
  readonly offset: number;
}

export interface Instruction {
  readonly op: Op<unknown>;
  readonly attributes: unknown;
  /** Indices into Program.values. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

export interface Port {
  readonly name: string;
  readonly value: number;
}

export interface Program {
  readonly name: string;
  readonly buffers: readonly Buffer[];
  readonly values: readonly Value[];
  readonly instructions: readonly Instruction[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Root variables that nobody changes while the program lives: a device may keep copies in a form of its own. */
  readonly frozen?: ReadonlySet<Variable>;
}

// What ops with an optional operand or with dropout inside ask of it, and tell their kernels.
import { ShapeError, sameShape, type TensorSpec } from "../src/tensor/shape.ts";
import type { CpuArgument } from "./op.ts";
import type { Dropout } from "./random/index.ts";
import { dropoutOdds } from "./random/philox.ts";

/** Address of an optional input; 0 tells a kernel that there is none. */
export const optional = (input: number | undefined): CpuArgument =>
  input === undefined ? 0 : { input };

/** The last arguments of kernels with dropout: stream, threshold of 65536, scale of what is kept. */
export function dropoutArguments(dropout: Dropout | undefined): CpuArgument[] {
  const { p, stream } = dropout ?? { p: 0, stream: 0 };
  const { threshold, scale } = dropoutOdds(p);
  return [stream, threshold, { f32: scale }];
}

/** @throws ShapeError unless `key` is i32 (4), RangeError unless 0 <= p < 1. */
export function checkDropout(
  op: string,
  inputs: readonly TensorSpec[],
  { p }: Dropout,
  key: TensorSpec | undefined,
): void {
  if (!(p >= 0 && p < 1)) throw new RangeError(`${op}: p is ${p}, must be in [0, 1)`);
  if (key?.dtype !== "i32" || !sameShape(key.shape, [4])) {
    throw new ShapeError(op, inputs, "the key must be i32 [seed, update, micro-batch, 0]");
  }
}

// What cpu kernels with an optional operand or with dropout inside are told.
import type { CpuArgument } from "./op.ts";
import type { Dropout } from "./random/index.ts";
import { dropThreshold } from "./random/philox.ts";

/** Address of an optional input; 0 tells a kernel that there is none. */
export const optional = (input: number | undefined): CpuArgument =>
  input === undefined ? { i32: 0 } : { input };

/** The last arguments of kernels with dropout: stream, threshold as a 32-bit pattern, 1 / (1 - p). */
export function dropoutArguments(dropout: Dropout | undefined): CpuArgument[] {
  const { p, stream } = dropout ?? { p: 0, stream: 0 };
  return [{ i32: stream }, { i32: dropThreshold(p) | 0 }, { f32: 1 / (1 - p) }];
}

// What softsign means. Float64, plain loops, never fast.
import { NdArray } from "../../../kernels/nd_array.ts";
import type { NoAttributes } from "../../../kernels/op.ts";

export function softsignReference(_: NoAttributes, [x]: readonly NdArray[]): NdArray[] {
  const y = NdArray.zeros(x.shape);
  for (let i = 0; i < x.size; i++) y.data[i] = x.data[i] / (1 + Math.abs(x.data[i]));
  return [y];
}

// What position numbers mean. Rows are gathered and scattered as in kernels/movement/reference.ts.
import { lastOf } from "../../src/tensor/shape.ts";
import { NdArray } from "../nd_array.ts";

export function positionsReference(padding: number, tokens: NdArray): NdArray {
  const y = NdArray.zeros(tokens.shape);
  const length = lastOf(tokens.shape);
  let count = 0;
  for (let i = 0; i < tokens.size; i++) {
    if (i % length === 0) count = 0;
    const real = tokens.data[i] !== padding;
    if (real) count++;
    y.data[i] = real ? padding + count : padding;
  }
  return y;
}

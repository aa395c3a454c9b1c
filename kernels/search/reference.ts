// What the search ops mean. Float64, plain loops, never fast.
import { NdArray } from "../nd_array.ts";
import type { LogSoftmaxTopKAttributes, TopKAttributes } from "./index.ts";

/** The k best of each row: descending, of equal ones the lower index first. */
function best(rows: readonly Float64Array[], k: number): NdArray[] {
  const [values, indices] = [0, 1].map(() => NdArray.zeros([rows.length, k]));
  for (const [row, x] of rows.entries()) {
    // Array.prototype.sort is stable; infinities make a difference of equals NaN.
    const order = Array.from(x.keys()).sort((a, b) => (x[a] === x[b] ? 0 : x[b] - x[a]));
    for (let i = 0; i < k; i++) {
      values.data[row * k + i] = x[order[i]];
      indices.data[row * k + i] = order[i];
    }
  }
  return [values, indices];
}

const rowsOf = ({ shape: [N, V], data }: NdArray): Float64Array[] =>
  Array.from({ length: N }, (_, row) => data.slice(row * V, (row + 1) * V));

export const topKReference = ({ k }: TopKAttributes, [x]: readonly NdArray[]): NdArray[] =>
  best(rowsOf(x), k);

export function logSoftmaxTopKReference(
  { k, temperature }: LogSoftmaxTopKAttributes,
  [logits, bias]: readonly NdArray[],
): NdArray[] {
  const scaled = rowsOf(logits).map((x) => x.map((value) => value / temperature));
  const lse = scaled.map((x) => {
    const max = x.reduce((a, b) => Math.max(a, b));
    return max + Math.log(x.reduce((sum, value) => sum + Math.exp(value - max), 0));
  });
  const biased = scaled.map((x, row) =>
    x.map((value, v) => value - lse[row] + (bias ? bias.data[v] : 0)),
  );
  return [...best(biased, k), NdArray.of([lse.length], lse)];
}

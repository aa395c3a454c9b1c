// What the softmax ops mean. Float64, plain loops, never fast.
import { NdArray } from "../nd_array.ts";
import type { NoAttributes } from "../op.ts";

/** [start, end) of each row along the last axis. */
function rows({ shape, size }: NdArray): { start: number; end: number }[] {
  const C = shape.at(-1) ?? 1;
  const count = C === 0 ? 0 : size / C;
  return Array.from({ length: count }, (_, row) => ({ start: row * C, end: (row + 1) * C }));
}

function logSumExp({ data }: NdArray, { start, end }: { start: number; end: number }): number {
  let max = -Infinity;
  for (let i = start; i < end; i++) max = Math.max(max, data[i]);
  let total = 0;
  for (let i = start; i < end; i++) total += Math.exp(data[i] - max);
  return max + Math.log(total);
}

/** y[i] = rule(i, row number) over all rows of x. */
function byRow(
  x: NdArray,
  ruleOf: (row: { start: number; end: number }, number: number) => (i: number) => number,
): NdArray[] {
  const y = NdArray.zeros(x.shape);
  for (const [number, row] of rows(x).entries()) {
    const rule = ruleOf(row, number);
    for (let i = row.start; i < row.end; i++) y.data[i] = rule(i);
  }
  return [y];
}

function sumOver(
  { start, end }: { start: number; end: number },
  term: (i: number) => number,
): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += term(i);
  return sum;
}

export function softmaxReference(_: NoAttributes, [x]: readonly NdArray[]): NdArray[] {
  return byRow(x, (row) => {
    const lse = logSumExp(x, row);
    return (i) => Math.exp(x.data[i] - lse);
  });
}

export function logSoftmaxReference(_: NoAttributes, [x]: readonly NdArray[]): NdArray[] {
  return byRow(x, (row) => {
    const lse = logSumExp(x, row);
    return (i) => x.data[i] - lse;
  });
}

export function logSumExpReference(_: NoAttributes, [x]: readonly NdArray[]): NdArray[] {
  return [
    NdArray.of(
      x.shape.slice(0, -1),
      rows(x).map((row) => logSumExp(x, row)),
    ),
  ];
}

export function softmaxGradientReference(_: NoAttributes, [y, dy]: readonly NdArray[]): NdArray[] {
  return byRow(y, (row) => {
    const dot = sumOver(row, (i) => y.data[i] * dy.data[i]);
    return (i) => y.data[i] * (dy.data[i] - dot);
  });
}

export function logSoftmaxGradientReference(
  _: NoAttributes,
  [y, dy]: readonly NdArray[],
): NdArray[] {
  return byRow(y, (row) => {
    const total = sumOver(row, (i) => dy.data[i]);
    return (i) => dy.data[i] - Math.exp(y.data[i]) * total;
  });
}

export function logSumExpGradientReference(
  _: NoAttributes,
  [x, lse, dy]: readonly NdArray[],
): NdArray[] {
  return byRow(
    x,
    (_row, number) => (i) => Math.exp(x.data[i] - lse.data[number]) * dy.data[number],
  );
}

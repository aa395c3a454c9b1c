// Dropout from counter-based random bits: nothing is stored, the gradient draws the mask again.
import { areAlike, isFloat, ShapeError, sameShape, sizeOf } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import { checkDropout, dropoutArguments } from "../dropout_arguments.ts";
import { add } from "../elementwise/index.ts";
import type { CpuArgument, CpuDispatch, Op, OpSpec } from "../op.ts";
import { dropoutAddExamples, dropoutExamples } from "./examples.ts";
import { dropoutAddReference, dropoutReference } from "./reference.ts";
import { dropoutWgsl } from "./wgsl.ts";

export interface Dropout {
  /** Probability that an element becomes 0, in [0, 1). */
  readonly p: number;
  /** Which random op of the model this is: the second word of Philox's key. */
  readonly stream: number;
}

/** A block of multipliers and the room around it: BLOCK and MARGIN of simd.as.ts. */
const SCRATCH_BYTES = 1024 * 4 + 2 * 128;

function dropoutCpu(
  { attributes, inputs: [x] }: OpSpec<Dropout>,
  residual: CpuArgument,
  key: CpuArgument,
): CpuDispatch {
  return {
    kernel: "random_dropout",
    arguments: [
      ...[{ input: 0 }, residual, key, { output: 0 }, { scratch: SCRATCH_BYTES }],
      ...dropoutArguments(attributes),
    ],
    work: sizeOf(x.shape),
    grain: 2048,
  };
}

const dropoutOp: Op<Dropout> = {
  name: "dropout",
  infer(attributes, [x, key]) {
    if (!isFloat(x.dtype)) throw new ShapeError("dropout", [x, key], "needs floats");
    checkDropout("dropout", [x, key], attributes, key);
    return [x];
  },
  gradient: ({ attributes: { p, stream }, inputs: [, key] }, [dy]) =>
    dy ? [dropout(dy, p, key, stream)] : [],
  reference: (attributes, [x, key]) => [dropoutReference(attributes, x, key)],
  cpu: (spec) => dropoutCpu(spec, 0, { input: 1 }),
  webgpu: (spec, facts) => dropoutWgsl(spec, false, facts),
  inPlace: [[0, 0]],
  halfInputs: [0],
  examples: dropoutExamples,
};

/**
 * x with every element 0 with probability p, and times 1 / (1 - p) otherwise; p to a 65536th, as
 * dropoutOdds() rounds it.
 *
 * @param key i32 (4): [seed, update, micro-batch, 0].
 * @param stream number of this random op within the model.
 * @throws RangeError unless 0 <= p < 1.
 */
export function dropout(x: Tensor, p: number, key: Tensor, stream: number): Tensor {
  return p === 0 ? x : apply(dropoutOp, { p, stream }, x, key);
}

const dropoutAddOp: Op<Dropout> = {
  name: "dropout_add",
  infer(attributes, [x, residual, key]) {
    if (!areAlike([x, residual]) || !sameShape(x.shape, residual.shape)) {
      throw new ShapeError("dropout_add", [x, residual], "needs two floats of one shape");
    }
    checkDropout("dropout_add", [x, residual, key], attributes, key);
    return [x];
  },
  gradient: ({ attributes: { p, stream }, inputs: [, , key] }, [dy]) =>
    dy ? [dropout(dy, p, key, stream), dy] : [],
  reference: (attributes, inputs) => [dropoutAddReference(attributes, inputs)],
  cpu: (spec) => dropoutCpu(spec, { input: 1 }, { input: 2 }),
  webgpu: (spec, facts) => dropoutWgsl(spec, true, facts),
  inPlace: [
    [0, 0],
    [0, 1],
  ],
  halfInputs: [0, 1],
  examples: dropoutAddExamples,
};

/** residual + dropout(x, p) in one pass; equal shapes, no broadcasting. @throws as dropout() */
export function dropoutAdd(
  x: Tensor,
  residual: Tensor,
  p: number,
  key: Tensor,
  stream: number,
): Tensor {
  if (p !== 0) return apply(dropoutAddOp, { p, stream }, x, residual, key);
  if (!sameShape(x.shape, residual.shape)) {
    throw new ShapeError("dropout_add", [x.spec, residual.spec], "needs two floats of one shape");
  }
  return add(residual, x);
}

export const randomOps = [dropoutOp, dropoutAddOp] as readonly Op<unknown>[];

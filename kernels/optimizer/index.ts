// The update of parameters over flat buffers. Everything that changes from step to step is a tensor, so
// that a step needs no answer from the device before it ends.
import { f32, ShapeError, sameShape, sizeOf, type TensorSpec } from "../../src/tensor/shape.ts";
import { apply, applyAll, type Tensor } from "../../src/tensor/tensor.ts";
import type { NoAttributes, Op } from "../op.ts";
import { adamExamples, clipExamples, emaExamples } from "./examples.ts";
import { lossScalerOps } from "./loss_scaler.ts";
import { adamReference, clipCoefficientReference, emaReference } from "./reference.ts";
import { adamWgsl, clipCoefficientWgsl, emaWgsl } from "./wgsl.ts";

export { lossScale } from "./loss_scaler.ts";
export { type LossScaleAttributes, SCALER, SCALER_STATUS } from "./scaler_state.ts";

/** Elements that are worth a second thread. */
const GRAIN = 4096;

/** @param halves operands that may be f16. */
function checkFloats(
  op: string,
  inputs: readonly TensorSpec[],
  halves: readonly number[] = [],
): void {
  for (const [operand, { dtype }] of inputs.entries()) {
    if (dtype === "f32" || (dtype === "f16" && halves.includes(operand))) continue;
    throw new ShapeError(op, inputs, `operand ${operand} must be f32`);
  }
}

/** @throws ShapeError unless `operand` has this shape. */
function checkShape(
  op: string,
  inputs: readonly TensorSpec[],
  operand: number,
  shape: readonly number[],
): void {
  if (sameShape(inputs[operand].shape, shape)) return;
  throw new ShapeError(op, inputs, `operand ${operand} must be (${shape.join(", ")})`);
}

const adamOp: Op<NoAttributes> = {
  name: "adam",
  // parameter, gradient, expAvg, expAvgSq (n), scalars (8), multiplier () -> parameter, expAvg, expAvgSq
  infer(_, inputs) {
    const [parameter, , expAvg, expAvgSq] = inputs;
    checkFloats("adam", inputs, [0, 1]);
    for (const operand of [1, 2, 3]) checkShape("adam", inputs, operand, parameter.shape);
    checkShape("adam", inputs, 4, [8]);
    checkShape("adam", inputs, 5, []);
    return [parameter, expAvg, expAvgSq];
  },
  reference: adamReference,
  cpu: ({ inputs }) => ({
    kernel: "optimizer_adam",
    arguments: [
      ...[0, 1, 2, 3, 4, 5].map((input) => ({ input })),
      ...[0, 1, 2].map((output) => ({ output })),
    ],
    work: sizeOf(inputs[0].shape),
    grain: GRAIN,
  }),
  webgpu: adamWgsl,
  inPlace: [
    [0, 0],
    [1, 2],
    [2, 3],
  ],
  halfInputs: [0, 1],
  examples: adamExamples,
};

export interface ClipAttributes {
  /** Largest norm; 0 for no limit. */
  readonly maxNorm: number;
}

const clipCoefficientOp: Op<ClipAttributes> = {
  name: "clip_coefficient",
  // squareSum (), multiplier () -> ()
  infer(_, inputs) {
    checkFloats("clip_coefficient", inputs);
    for (const operand of [0, 1]) checkShape("clip_coefficient", inputs, operand, []);
    return [f32()];
  },
  reference: clipCoefficientReference,
  cpu: ({ attributes: { maxNorm } }) => ({
    kernel: "optimizer_clip_coefficient",
    arguments: [{ input: 0 }, { input: 1 }, { output: 0 }, { f32: maxNorm }],
    work: 1,
  }),
  webgpu: clipCoefficientWgsl,
  examples: clipExamples,
};

const emaOp: Op<NoAttributes> = {
  name: "ema",
  // average, parameter (n), decay () -> average
  infer(_, inputs) {
    const [average] = inputs;
    checkFloats("ema", inputs, [1]);
    checkShape("ema", inputs, 1, average.shape);
    checkShape("ema", inputs, 2, []);
    return [average];
  },
  reference: emaReference,
  cpu: ({ inputs }) => ({
    kernel: "optimizer_ema",
    arguments: [{ input: 0 }, { input: 1 }, { input: 2 }, { output: 0 }],
    work: sizeOf(inputs[0].shape),
    grain: GRAIN,
  }),
  webgpu: emaWgsl,
  inPlace: [[0, 0]],
  halfInputs: [1],
  examples: emaExamples,
};

/**
 * One step of Adam with decoupled weight decay, in fairseq's form: epsilon is added to the root of the
 * uncorrected second moment, and the decay uses the plain rate.
 *
 * @param parameter of any shape, f32, like gradient, expAvg and expAvgSq.
 * @param scalars f32 (8): lr, beta1, beta2, epsilon, weight decay, 1 - beta1^t, 1 - beta2^t, unused;
 * t counts updates from 1.
 * @param multiplier f32 (): gradients are multiplied by it first. If it is not finite (the norm
 * overflowed), nothing changes: the step is skipped on the device itself.
 * @returns [parameter, expAvg, expAvgSq] after the step. @throws ShapeError
 *
 * Source: Kingma and Ba 2015; fairseq 0.12 optim/adam.py.
 */
export function adam(
  parameter: Tensor,
  gradient: Tensor,
  expAvg: Tensor,
  expAvgSq: Tensor,
  scalars: Tensor,
  multiplier: Tensor,
): [parameter: Tensor, expAvg: Tensor, expAvgSq: Tensor] {
  const operands = [parameter, gradient, expAvg, expAvgSq, scalars, multiplier];
  const [p, m, v] = applyAll(adamOp, {}, ...operands);
  return [p, m, v];
}

/**
 * What gradients must be multiplied by so that they are normalised and no longer than `maxNorm`:
 * multiplier min(1, maxNorm / (norm + 1e-6)), where norm = sqrt(squareSum) multiplier. NaN when the norm
 * is not finite, which makes adam() skip the step.
 *
 * @param squareSum f32 (), of the gradients as they are. @param multiplier f32 (), such as 1 / sample
 * size. @param maxNorm 0 for no limit. @returns f32 (). @throws ShapeError
 */
export const clipCoefficient = (squareSum: Tensor, multiplier: Tensor, maxNorm: number): Tensor =>
  apply(clipCoefficientOp, { maxNorm }, squareSum, multiplier);

/**
 * Exponential moving average: decay average + (1 - decay) parameter.
 *
 * @param average f32, shaped like parameter. @param decay f32 (). @throws ShapeError
 */
export const ema = (average: Tensor, parameter: Tensor, decay: Tensor): Tensor =>
  apply(emaOp, {}, average, parameter, decay);

export const optimizerOps = [
  adamOp,
  clipCoefficientOp,
  emaOp,
  ...lossScalerOps,
] as readonly Op<unknown>[];

// fairseq's dynamic loss scale (reference 2.8), decided where the gradients are: whether they overflowed,
// what they are multiplied by, and the next scale, in one dispatch.
import { f32, i32, ShapeError, sameShape } from "../../src/tensor/shape.ts";
import { applyAll, type Tensor } from "../../src/tensor/tensor.ts";
import type { Op } from "../op.ts";
import { lossScaleExamples } from "./examples.ts";
import { lossScaleReference } from "./reference.ts";
import { type LossScaleAttributes, SCALER } from "./scaler_state.ts";
import { lossScaleWgsl } from "./wgsl.ts";

const lossScaleOp: Op<LossScaleAttributes> = {
  name: "loss_scale",
  // scale (), counters i32 (5), squareSum (), multiplier (), known i32 () -> scale (), counters (5), coefficient (), norm ()
  infer(_, inputs) {
    const wanted = [f32(), i32(SCALER.words), f32(), f32(), i32()];
    for (const [operand, { shape, dtype }] of wanted.entries()) {
      if (inputs[operand].dtype === dtype && sameShape(inputs[operand].shape, shape)) continue;
      throw new ShapeError("loss_scale", inputs, `operand ${operand} must be ${dtype}(${shape})`);
    }
    return [f32(), i32(SCALER.words), f32(), f32()];
  },
  reference: lossScaleReference,
  cpu: ({ attributes: { factor, window, tolerance, threshold, minimum, maxNorm } }) => ({
    kernel: "optimizer_loss_scale",
    arguments: [
      ...[0, 1, 2, 3, 4].map((input) => ({ input })),
      ...[0, 1, 2, 3].map((output) => ({ output })),
      ...[window],
      ...[factor, tolerance, threshold, minimum, maxNorm].map((number) => ({ f32: number })),
    ],
    work: 1,
  }),
  webgpu: lossScaleWgsl,
  inPlace: [
    [0, 0],
    [1, 1],
  ],
  examples: lossScaleExamples,
};

/** What lossScale() answers. */
export interface LossScaled {
  readonly scale: Tensor;
  readonly counters: Tensor;
  /** What gradients are to be multiplied by: unscaled, normalised and clipped. NaN on overflow. */
  readonly coefficient: Tensor;
  /** Norm of the unscaled, normalised gradient before clipping. */
  readonly norm: Tensor;
}

/**
 * One step of the dynamic loss scale.
 *
 * @param scale f32 (), what the loss was multiplied by. @param counters i32 (5), see SCALER.
 * @param squareSum f32 (), sum of the squares of the scaled gradient.
 * @param multiplier f32 (), 1 / sample size. @param known i32 (), the last overflow, as word
 * SCALER.lastOverflow, that whoever prepared this step knew of: were there a later one the step would have
 * another number, so it is void and changes nothing. @throws ShapeError
 */
export function lossScale(
  scale: Tensor,
  counters: Tensor,
  squareSum: Tensor,
  multiplier: Tensor,
  known: Tensor,
  attributes: LossScaleAttributes,
): LossScaled {
  const outputs = applyAll(lossScaleOp, attributes, scale, counters, squareSum, multiplier, known);
  const [next, counted, coefficient, norm] = outputs;
  return { scale: next, counters: counted, coefficient, norm };
}

export const lossScalerOps = [lossScaleOp] as readonly Op<unknown>[];

// How elementwise kernels walk over broadcast operands.
import { type Shape, ShapeError, type TensorSpec } from "../../src/tensor/shape.ts";
import { broadcastStrides, MERGED_AXES, type MergedAxes, mergeAxes } from "../merged_axes.ts";

/**
 * The merged axes of `output` and what each operand's strides over them are.
 *
 * @throws ShapeError when more than MERGED_AXES remain: patterns such as (a, 1, b, 1, c, 1, ...).
 */
export function planBroadcast(
  op: string,
  output: Shape,
  operands: readonly TensorSpec[],
): MergedAxes {
  const plan = mergeAxes(
    output,
    operands.map(({ shape }) => broadcastStrides(shape, output)),
  );
  if (plan.extents.length > MERGED_AXES) {
    throw new ShapeError(op, operands, "too many alternating broadcast axes; reshape first");
  }
  return plan;
}

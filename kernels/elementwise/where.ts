// Choice between two operands.
import { broadcastShapes, isFloat, ShapeError, sameShape, sizeOf } from "../../src/tensor/shape.ts";
import { apply, scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { broadcastTo } from "../movement/index.ts";
import type { NoAttributes, Op } from "../op.ts";
import { sumTo } from "../reduce/index.ts";
import { whereExamples } from "./examples.ts";
import { whereReference } from "./reference.ts";
import { whereWgsl } from "./wgsl.ts";

const whereOp: Op<NoAttributes> = {
  name: "where",
  infer(_, [condition, a, b]) {
    if (condition.dtype !== "i32") {
      throw new ShapeError("where", [condition, a, b], "the condition must be i32");
    }
    if (a.dtype !== b.dtype) throw new ShapeError("where", [condition, a, b], "dtypes differ");
    const sizes = [condition, a, b].map(({ shape }) => sizeOf(shape));
    const full = [condition, a, b].find((_, i) => sizes[i] !== 1) ?? condition;
    for (const operand of [condition, a, b]) {
      if (sizeOf(operand.shape) !== 1 && !sameShape(operand.shape, full.shape)) {
        throw new ShapeError("where", [condition, a, b], "operands are of one shape or scalars");
      }
    }
    return [{ shape: full.shape, dtype: a.dtype }];
  },
  gradient({ inputs: [condition, a, b] }, [dy]) {
    if (!dy || !isFloat(a.dtype)) return [];
    const zero = scalar(0, dy.dtype);
    return [
      undefined,
      sumTo(where(condition, dy, zero), a.shape),
      sumTo(where(condition, zero, dy), b.shape),
    ];
  },
  reference: (_, inputs) => [whereReference(inputs)],
  cpu({ inputs, outputs }) {
    const steps = inputs.map(({ shape }) => (sizeOf(shape) === 1 ? 0 : 1));
    return {
      kernel: "elementwise_where",
      arguments: [{ input: 0 }, { input: 1 }, { input: 2 }, { output: 0 }, ...steps],
      work: sizeOf(outputs[0].shape),
      grain: 4096,
    };
  },
  webgpu: whereWgsl,
  inPlace: [
    [0, 1],
    [0, 2],
  ],
  halfInputs: "all",
  examples: whereExamples,
};

/**
 * a where condition (i32) is not 0, else b; broadcast. What is not chosen leaves no trace, not even
 * NaN, and its gradient is 0. (Ops before it may still turn that 0 into NaN: 0 / 0 behind log.)
 *
 * @throws ShapeError
 */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  const pair = { shape: broadcastShapes("where", a.spec, b.spec), dtype: a.dtype };
  const shape = broadcastShapes("where", condition.spec, pair);
  // The kernel takes full operands and single numbers; anything between is spread out first.
  const spread = (operand: Tensor): Tensor =>
    operand.size === 1 && sizeOf(shape) !== 1 ? operand : broadcastTo(operand, shape);
  return apply(whereOp, {}, spread(condition), spread(a), spread(b));
}

export const whereOps = [whereOp] as readonly Op<unknown>[];

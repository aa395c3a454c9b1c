// Softmax, its logarithm and its normaliser, over the last axis.
import { isFloat, lastOf, rowsOf, ShapeError, type TensorSpec } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import type { NoAttributes, Op } from "../op.ts";
import {
  logSoftmaxGradientExamples,
  logSumExpGradientExamples,
  rowExamples,
  softmaxGradientExamples,
} from "./examples.ts";
import {
  logSoftmaxGradientReference,
  logSoftmaxReference,
  logSumExpGradientReference,
  logSumExpReference,
  softmaxGradientReference,
  softmaxReference,
} from "./reference.ts";
import {
  logSoftmaxGradientWgsl,
  logSoftmaxWgsl,
  logSumExpGradientWgsl,
  logSumExpWgsl,
  softmaxGradientWgsl,
  softmaxWgsl,
} from "./wgsl.ts";

/** @throws ShapeError for a scalar, an empty last axis or integers. */
function checkRows(op: string, x: TensorSpec): void {
  if (!isFloat(x.dtype)) throw new ShapeError(op, [x], "integers have no softmax");
  if (x.shape.length === 0) throw new ShapeError(op, [x], "a scalar has no last axis");
  if (lastOf(x.shape) === 0) throw new ShapeError(op, [x], "the last axis is empty");
}

/** What all these ops share: rows of x, one kernel, the output over the first input. */
function rowOp(
  name: string,
  kernel: string,
  rest: Pick<Op<NoAttributes>, "gradient" | "reference" | "webgpu" | "examples" | "halfInputs">,
  rowsOnly = false,
): Op<NoAttributes> {
  return {
    ...rest,
    name,
    infer(_, [x]) {
      checkRows(name, x);
      return [rowsOnly ? { shape: x.shape.slice(0, -1), dtype: "f32" } : x];
    },
    cpu({ inputs }) {
      const [{ shape }] = inputs;
      const operands = inputs.map((_, input) => ({ input }));
      return {
        kernel,
        arguments: [...operands, { output: 0 }, lastOf(shape)],
        work: rowsOf(shape),
        grain: Math.max(1, Math.floor(2048 / lastOf(shape))),
      };
    },
    inPlace: rowsOnly ? undefined : [[0, 0]],
  };
}

const softmaxGradientOp = rowOp("softmax_gradient", "softmax_gradient", {
  reference: softmaxGradientReference,
  webgpu: softmaxGradientWgsl,
  examples: softmaxGradientExamples,
  halfInputs: [0, 1],
});

const logSoftmaxGradientOp = rowOp("log_softmax_gradient", "softmax_log_gradient", {
  reference: logSoftmaxGradientReference,
  webgpu: logSoftmaxGradientWgsl,
  examples: logSoftmaxGradientExamples,
  halfInputs: [0, 1],
});

const logSumExpGradientOp = rowOp("log_sum_exp_gradient", "softmax_log_sum_exp_gradient", {
  reference: logSumExpGradientReference,
  webgpu: logSumExpGradientWgsl,
  examples: logSumExpGradientExamples,
  halfInputs: [0],
});

const softmaxOp = rowOp("softmax", "softmax_forward", {
  // dx = y (dy - sum(dy y)): needs only the output, so the planner may free x early.
  gradient: ({ outputs: [y] }, [dy]) => (dy ? [apply(softmaxGradientOp, {}, y, dy)] : []),
  reference: softmaxReference,
  webgpu: softmaxWgsl,
  examples: rowExamples,
  halfInputs: [0],
});

const logSoftmaxOp = rowOp("log_softmax", "softmax_log_forward", {
  // dx = dy - exp(y) sum(dy)
  gradient: ({ outputs: [y] }, [dy]) => (dy ? [apply(logSoftmaxGradientOp, {}, y, dy)] : []),
  reference: logSoftmaxReference,
  webgpu: logSoftmaxWgsl,
  examples: rowExamples,
  halfInputs: [0],
});

const logSumExpOp = rowOp(
  "log_sum_exp",
  "softmax_log_sum_exp",
  {
    // dx = exp(x - lse) dy
    gradient: ({ inputs: [x], outputs: [lse] }, [dy]) =>
      dy ? [apply(logSumExpGradientOp, {}, x, lse, dy)] : [],
    reference: logSumExpReference,
    webgpu: logSumExpWgsl,
    examples: rowExamples,
    halfInputs: [0],
  },
  true,
);

/** Softmax over the last axis: (..., C) -> (..., C). @throws ShapeError for a scalar or C = 0. */
export const softmax = (x: Tensor): Tensor => apply(softmaxOp, {}, x);

/** x - log(sum(exp(x))) over the last axis: (..., C) -> (..., C). @throws ShapeError as softmax. */
export const logSoftmax = (x: Tensor): Tensor => apply(logSoftmaxOp, {}, x);

/** log(sum(exp(x))) over the last axis: (..., C) -> (...). @throws ShapeError as softmax. */
export const logSumExp = (x: Tensor): Tensor => apply(logSumExpOp, {}, x);

export const softmaxOps = [
  softmaxOp,
  softmaxGradientOp,
  logSoftmaxOp,
  logSoftmaxGradientOp,
  logSumExpOp,
  logSumExpGradientOp,
] as readonly Op<unknown>[];

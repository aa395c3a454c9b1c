// The layer that most of a Transformer is made of: a product with bias and activation in one pass.
import { ShapeError, type TensorSpec } from "../../src/tensor/shape.ts";
import { apply, applyAll, type Tensor } from "../../src/tensor/tensor.ts";
import {
  type Activation as AnyActivation,
  activationGradient,
  savedForGradient,
} from "../elementwise/index.ts";
import type { Op } from "../op.ts";
import { sum } from "../reduce/index.ts";
import { type Activation, epilogueOf } from "./activation.ts";
import { productCpu } from "./cpu.ts";
import { linearExamples } from "./examples.ts";
import { matmul, matmulOfRows } from "./matmul.ts";
import { linearReference } from "./reference.ts";
import { productOf } from "./shapes.ts";
import type { ProductShape } from "./split.ts";
import { productWgsl } from "./wgsl.ts";

export interface LinearAttributes {
  readonly activation: Activation;
  /** A second output holds the values before the activation: the gradients of some need them. */
  readonly keepPre: boolean;
}

function productShape(
  { activation }: LinearAttributes,
  inputs: readonly TensorSpec[],
): ProductShape {
  const { product } = productOf("linear", { transA: false, transB: true, merge: true }, inputs);
  return { ...product, accumulate: false, activation };
}

/** Operands of the kernels; the same numbers mean the same to both devices. */
const operandsOf = ({ keepPre }: LinearAttributes, inputs: readonly TensorSpec[]) => ({
  a: { input: 0 },
  b: { input: 1 },
  c: { output: 0 },
  bias: inputs.length > 2 ? { input: 2 } : undefined,
  pre: keepPre ? { output: 1 } : undefined,
  areHalves: inputs[0].dtype === "f16",
});

export const linearOp: Op<LinearAttributes> = {
  name: "linear",
  // x (..., K), weight (N, K), [bias (N)] -> y (..., N), [pre (..., N)]
  infer({ keepPre }, inputs) {
    const [x, weight, bias] = inputs;
    if (weight.shape.length !== 2)
      throw new ShapeError("linear", inputs, "the weight is no matrix");
    if (
      bias &&
      (bias.dtype !== x.dtype || bias.shape.length !== 1 || bias.shape[0] !== weight.shape[0])
    ) {
      throw new ShapeError("linear", inputs, `the bias must be ${x.dtype}(${weight.shape[0]})`);
    }
    const forms = { transA: false, transB: true, merge: true };
    const { shape } = productOf("linear", forms, [x, weight]);
    const y: TensorSpec = { shape, dtype: x.dtype };
    return keepPre ? [y, y] : [y];
  },
  gradient({ attributes, inputs: [x, weight, bias], outputs: [y, pre] }, [dy]) {
    if (!dy) return [];
    const { activation } = attributes;
    let dpre = dy;
    if (activation !== "linear") {
      const inputs = bias ? [x, weight, bias] : [x, weight];
      const before = () =>
        pre ?? apply(linearOp, { activation: "linear", keepPre: false }, ...inputs);
      const saved = savedForGradient(activation) === "y" ? y : before();
      dpre = activationGradient(activation, saved, dy);
    }
    const dbias = bias && sum(dpre, { axis: dpre.shape.slice(0, -1).map((_, axis) => axis) });
    return [matmul(dpre, weight), matmulOfRows(dpre, x), dbias];
  },
  reference: linearReference,
  cpu: ({ attributes, inputs }, facts) =>
    productCpu(productShape(attributes, inputs), operandsOf(attributes, inputs), facts),
  webgpu: ({ attributes, inputs }, facts) =>
    productWgsl(productShape(attributes, inputs), operandsOf(attributes, inputs), facts),
  halfInputs: "all",
  examples: linearExamples,
};

/**
 * activation(x W^T + bias).
 *
 * @param x (..., K), f32.
 * @param weight (N, K), as PyTorch and fairseq store it.
 * @param bias (N).
 * @returns (..., N).
 * @throws ShapeError
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  activation: AnyActivation = "linear",
): Tensor {
  const name = epilogueOf(activation);
  const keepPre = name !== "linear" && savedForGradient(name) === "x";
  const inputs = bias ? [x, weight, bias] : [x, weight];
  return applyAll(linearOp, { activation: name, keepPre }, ...inputs)[0];
}

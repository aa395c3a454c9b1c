// Activation functions by fairseq's names, each with a derivative in one pass.
import { areAlike, ShapeError, sameShape, sizeOf } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import type { NoAttributes, Op } from "../op.ts";
import type { Activation, ActivationFunction } from "./activation_names.ts";
import { activationGradientExamples } from "./examples.ts";
import { activationGradientReference } from "./reference.ts";
import { UNARY_GRAIN, unaryOp } from "./unary.ts";
import { activationGradientWgsl } from "./wgsl.ts";

/**
 * What the derivative is computed from. With y the planner may overwrite x, and a product's
 * epilogue need not keep it.
 */
export const savedForGradient = (name: ActivationFunction): "x" | "y" =>
  name === "relu" || name === "tanh" || name === "sigmoid" ? "y" : "x";

export interface ActivationGradient {
  readonly activation: ActivationFunction;
}

const activationGradientOp: Op<ActivationGradient> = {
  name: "activation_gradient",
  infer(_, [saved, dy]) {
    if (!areAlike([saved, dy]) || !sameShape(saved.shape, dy.shape)) {
      throw new ShapeError("activation_gradient", [saved, dy], "needs two floats of one shape");
    }
    return [dy];
  },
  reference: ({ activation }, inputs) => [activationGradientReference(activation, inputs)],
  cpu: ({ attributes: { activation }, inputs: [saved] }) => ({
    kernel: `elementwise_${activation}_gradient`,
    arguments: [{ input: 0 }, { input: 1 }, { output: 0 }],
    work: sizeOf(saved.shape),
    grain: UNARY_GRAIN,
  }),
  webgpu: activationGradientWgsl,
  inPlace: [
    [0, 1],
    [0, 0],
  ],
  halfInputs: "all",
  examples: activationGradientExamples,
};

/**
 * dy times the derivative of an activation.
 *
 * @param saved the activation's y or x, as savedForGradient() says.
 * @throws ShapeError unless both are floats of one shape.
 */
export const activationGradient = (
  activation: ActivationFunction,
  saved: Tensor,
  dy: Tensor,
): Tensor => apply(activationGradientOp, { activation }, saved, dy);

const functionOp = (name: ActivationFunction): Op<NoAttributes> =>
  unaryOp(name, (node, dy) => activationGradient(name, node[savedForGradient(name)], dy));

const functionOps: Readonly<Record<ActivationFunction, Op<NoAttributes>>> = {
  relu: functionOp("relu"),
  gelu: functionOp("gelu"),
  gelu_accurate: functionOp("gelu_accurate"),
  tanh: functionOp("tanh"),
  sigmoid: functionOp("sigmoid"),
  swish: functionOp("swish"),
  relu_squared: functionOp("relu_squared"),
};

/** An activation by fairseq's name: (...) -> (...), floats. */
export function activation(name: Activation, x: Tensor): Tensor {
  if (name === "linear") return x;
  return apply(functionOps[name === "gelu_fast" ? "gelu_accurate" : name], {}, x);
}

/** max(x, 0) */
export const relu = (x: Tensor): Tensor => activation("relu", x);

/** x Phi(x), by the error function. */
export const gelu = (x: Tensor): Tensor => activation("gelu", x);

/** GELU's tanh form: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
export const geluAccurate = (x: Tensor): Tensor => activation("gelu_accurate", x);

export const tanh = (x: Tensor): Tensor => activation("tanh", x);

/** 1 / (1 + e^-x) */
export const sigmoid = (x: Tensor): Tensor => activation("sigmoid", x);

/** x sigmoid(x) */
export const swish = (x: Tensor): Tensor => activation("swish", x);

/** max(x, 0)^2 */
export const reluSquared = (x: Tensor): Tensor => activation("relu_squared", x);

export const activationOps = [
  ...Object.values(functionOps),
  activationGradientOp,
] as readonly Op<unknown>[];

// Elementwise arithmetic, comparisons, activations. Two operands broadcast as in NumPy.
import { activationOps } from "./activation.ts";
import { binaryOps } from "./binary.ts";
import { unaryOps } from "./unary.ts";
import { whereOps } from "./where.ts";

export {
  activation,
  activationGradient,
  gelu,
  geluAccurate,
  relu,
  reluSquared,
  savedForGradient,
  sigmoid,
  swish,
  tanh,
} from "./activation.ts";
export { ACTIVATIONS, type Activation, type ActivationFunction } from "./activation_names.ts";
export { add, div, equal, less, maximum, minimum, mul, sub } from "./binary.ts";
export { abs, affine, cast, exp, log, neg, reciprocal, sign, sqrt, square } from "./unary.ts";
export { where } from "./where.ts";

export const elementwiseOps = [...binaryOps, ...unaryOps, ...activationOps, ...whereOps];

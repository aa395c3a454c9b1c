import { layerNorm, residualDropoutNorm } from "../../kernels/norm/index.ts";
import { currentRandomness } from "../engine/randomness.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ones, zeros } from "./initializer.ts";
import { Module, Parameter } from "./module.ts";

/** Added to the variance under the root, as PyTorch does. */
const EPSILON = 1e-5;

/** Normalises the last axis to mean 0 and variance 1, then scales and shifts. Ba et al. 2016. */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(width: number) {
    super();
    this.weight = new Parameter([width], ones);
    this.bias = new Parameter([width], zeros);
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.value, this.bias.value, EPSILON);
  }

  /** forward(residual + dropout(x)), in one pass over memory. */
  afterResidual(x: Tensor, residual: Tensor, dropout: number): Tensor {
    const randomness = dropout > 0 ? currentRandomness() : undefined;
    const [normalized] = residualDropoutNorm(
      x,
      residual,
      this.weight.value,
      this.bias.value,
      EPSILON,
      randomness && { p: dropout, key: randomness.key, stream: randomness.nextStream() },
    );
    return normalized;
  }
}

import { type Activation, linear } from "../../kernels/matmul/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Initializer, torchLinear } from "./initializer.ts";
import { Module, Parameter } from "./module.ts";

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Defaults: PyTorch's. */
  readonly initializeWeight?: Initializer;
  readonly initializeBias?: Initializer;
}

/** y = activation(x W^T + b): (..., in) -> (..., out). */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inputSize: number, outputSize: number, options: LinearOptions = {}) {
    super();
    const standard = torchLinear(inputSize);
    this.weight = new Parameter([outputSize, inputSize], options.initializeWeight ?? standard);
    if (options.bias ?? true) {
      this.bias = new Parameter([outputSize], options.initializeBias ?? standard);
    }
  }

  forward(x: Tensor, activation: Activation = "linear"): Tensor {
    return linear(x, this.weight.value, this.bias?.value, activation);
  }
}

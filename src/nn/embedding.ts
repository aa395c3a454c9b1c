import { embedding } from "../../kernels/embedding/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { embeddingNormal } from "./initializer.ts";
import { Module, Parameter } from "./module.ts";

/** One row per symbol; the padding symbol's row starts at zero and gets no gradient from here. */
export class Embedding extends Module {
  readonly weight: Parameter;

  constructor(
    rows: number,
    readonly width: number,
    readonly padding: number,
  ) {
    super();
    this.weight = new Parameter([rows, width], embeddingNormal(width ** -0.5, padding));
  }

  /** Tokens (...) -> scale * rows (..., C). */
  forward(tokens: Tensor, scale = 1): Tensor {
    return embedding(this.weight.value, tokens, { paddingIndex: this.padding, scale });
  }
}

import { add } from "../../kernels/elementwise/index.ts";
import { dropout, dropoutAdd } from "../../kernels/random/index.ts";
import { currentRandomness } from "../engine/randomness.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Zeroes each element with probability p and scales the others up to the same mean; in training only. */
export class Dropout {
  constructor(readonly p: number) {}

  forward(x: Tensor): Tensor {
    const randomness = currentRandomness();
    if (!randomness || this.p === 0) return x;
    return dropout(x, this.p, randomness.key, randomness.nextStream());
  }

  /** residual + forward(x), in one pass. */
  addTo(residual: Tensor, x: Tensor): Tensor {
    const randomness = currentRandomness();
    if (!randomness || this.p === 0) return add(residual, x);
    return dropoutAdd(x, residual, this.p, randomness.key, randomness.nextStream());
  }
}

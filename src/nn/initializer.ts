// How parameters start. Bounds and deviations as PyTorch and fairseq have them (reference 2.11).
import type { Shape } from "../tensor/shape.ts";
import type { HostRandom } from "./host_random.ts";

/** Fills `values` (any shape, row-major) with those of a fresh parameter. */
export type Initializer = (values: Float32Array, shape: Shape, random: HostRandom) => void;

export const zeros: Initializer = (values) => values.fill(0);
export const ones: Initializer = (values) => values.fill(1);

/** U(-bound, bound). */
export const uniform =
  (bound: number): Initializer =>
  (values, _, random) =>
    random.fillUniform(values, bound);

/** N(0, deviation). */
export const normal =
  (deviation: number): Initializer =>
  (values, _, random) =>
    random.fillNormal(values, deviation);

/** N(0, deviation) with the row of the padding symbol zero. (V, C). */
export const embeddingNormal =
  (deviation: number, padding: number): Initializer =>
  (values, shape, random) => {
    normal(deviation)(values, shape, random);
    const width = shape[1];
    values.fill(0, padding * width, (padding + 1) * width);
  };

/** U(±gain sqrt(6 / (fan_in + fan_out))) for a weight (out, in). Glorot and Bengio 2010. */
export const xavierUniform =
  (gain = 1): Initializer =>
  (values, shape, random) =>
    uniform(gain * Math.sqrt(6 / (shape[0] + shape[1])))(values, shape, random);

/** PyTorch's nn.Linear default, for weight and bias alike: U(±1/sqrt(fan_in)). */
export const torchLinear = (fanIn: number): Initializer => uniform(1 / Math.sqrt(fanIn));

// How parameters start. Bounds and deviations as PyTorch and fairseq have them (reference 2.11).
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { HostRandom } from "./host_random.ts";

/** Values of a fresh parameter. */
export type Initializer = (shape: Shape, random: HostRandom) => Float32Array;

const fill = (shape: Shape, draw: () => number): Float32Array => {
  const values = new Float32Array(sizeOf(shape));
  for (let i = 0; i < values.length; i++) values[i] = draw();
  return values;
};

export const zeros: Initializer = (shape) => new Float32Array(sizeOf(shape));
export const ones: Initializer = (shape) => new Float32Array(sizeOf(shape)).fill(1);

/** U(-bound, bound). */
export const uniform =
  (bound: number): Initializer =>
  (shape, random) =>
    fill(shape, () => (2 * random.uniform() - 1) * bound);

/** N(0, deviation). */
export const normal =
  (deviation: number): Initializer =>
  (shape, random) =>
    fill(shape, () => random.normal() * deviation);

/** N(0, deviation) with the row of the padding symbol zero. (V, C). */
export const embeddingNormal =
  (deviation: number, padding: number): Initializer =>
  (shape, random) => {
    const values = normal(deviation)(shape, random);
    const width = shape[1];
    values.fill(0, padding * width, (padding + 1) * width);
    return values;
  };

/** U(±gain sqrt(6 / (fan_in + fan_out))) for a weight (out, in). Glorot and Bengio 2010. */
export const xavierUniform =
  (gain = 1): Initializer =>
  (shape, random) =>
    uniform(gain * Math.sqrt(6 / (shape[0] + shape[1])))(shape, random);

/** PyTorch's nn.Linear default, for weight and bias alike: U(±1/sqrt(fan_in)). */
export const torchLinear = (fanIn: number): Initializer => uniform(1 / Math.sqrt(fanIn));

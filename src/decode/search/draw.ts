import { philox } from "./philox.ts";

/** Where a draw is made: nothing else may decide its outcome, so that batching does not either. */
export interface DrawPlace {
  /** The caller's number for the sentence. */
  readonly sentence: number;
  readonly step: number;
  readonly slot: number;
}

/** Chooses an index below `count` with probability proportional to its weight. */
export type Draw = (weights: Float32Array, count: number, place: DrawPlace) => number;

/** Draws that depend on the seed and the place alone. */
export function seededDraw(seed: number): Draw {
  const key: [number, number] = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  return (weights, count, { sentence, step, slot }) => {
    const words = philox([sentence, step, slot, 0], key);
    const uniform = (words[0] * 2 ** 21 + (words[1] >>> 11)) / 2 ** 53;
    let total = 0;
    for (let i = 0; i < count; i++) total += weights[i];
    let rest = uniform * total;
    let last = 0;
    for (let i = 0; i < count; i++) {
      if (!(weights[i] > 0)) continue;
      last = i;
      rest -= weights[i];
      if (rest < 0) return i;
    }
    return last; // rounding used up the sum
  };
}

// The randomness of one training step. It is ambient while a step is traced, as the trace is:
// modules ask for it, and outside a training step there is none (evaluation).
import type { Tensor } from "../tensor/tensor.ts";

/** What a training step draws from. Counter-based, so equal on every device and nothing to save. */
export class Randomness {
  private streams = 0;
  private drops = 0;

  /**
   * @param key i32 (4): seed, update, micro-batch, 0.
   * @param kept whether the n-th droppable layer takes part in this step.
   */
  constructor(
    readonly key: Tensor,
    private readonly kept: string = "",
  ) {}

  /** A number for one random op: its place in the program. */
  nextStream(): number {
    return this.streams++;
  }

  /** Whether the next droppable layer is kept. */
  keepsLayer(): boolean {
    return this.kept[this.drops++] !== "0";
  }
}

let active: Randomness | undefined;

/** Randomness of the step being traced; undefined in evaluation. */
export const currentRandomness = (): Randomness | undefined => active;

/** Traces `body` as a training step. */
export function withRandomness<T>(randomness: Randomness, body: () => T): T {
  const outer = active;
  active = randomness;
  try {
    return body();
  } finally {
    active = outer;
  }
}

// What an optimizer is: state laid out like the parameters, and one fused step per flat segment.
import type { FlatParameters } from "../engine/flat_parameters.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Variable } from "../tensor/variable.ts";

export interface OptimizerContext {
  readonly parameters: FlatParameters;
}

/** State laid out like the parameters: per segment for the step, per parameter for a checkpoint. */
export interface OptimizerState {
  readonly segments: readonly Variable[];
  readonly slots: ReadonlyMap<string, Variable>;
}

export interface Optimizer {
  /** By fairseq's names: exp_avg, exp_avg_sq. */
  readonly state: ReadonlyMap<string, OptimizerState>;

  /**
   * Numbers that change from update to update.
   *
   * @param lr learning rate. @param update number of this update, from 1.
   */
  scalars(lr: number, update: number): Float32Array;

  /**
   * Records the update of all parameters.
   *
   * @param scalars f32, what `scalars` returned.
   * @param multiplier f32 scalar: gradients are multiplied by it first (normalisation and clipping).
   */
  step(scalars: Tensor, multiplier: Tensor): void;
}

// What an optimizer is: state laid out like the parameters, and one fused step per range of them.
import type { FlatParameters, ParameterState } from "../engine/flat_parameters.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface OptimizerContext {
  readonly parameters: FlatParameters;
}

export interface Optimizer {
  /** By fairseq's names: exp_avg, exp_avg_sq. */
  readonly state: ReadonlyMap<string, ParameterState>;

  /**
   * Numbers that change from update to update.
   *
   * @param lr learning rate. @param step number of this step of the parameters, from 1: updates in
   * which they have no gradient do not count.
   */
  scalars(lr: number, step: number): Float32Array;

  /**
   * Records the update of one range of parameters. Ranges without a gradient are left alone.
   *
   * @param range index into parameters.ranges.
   * @param scalars f32, what `scalars` returned.
   * @param multiplier f32 scalar: gradients are multiplied by it first (normalisation and clipping).
   */
  step(range: number, scalars: Tensor, multiplier: Tensor): void;
}

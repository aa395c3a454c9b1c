import type { CheckpointConfig } from "../config/schemas/checkpoint.ts";

/** What --patience counts; part of a checkpoint, so that a resumed run stops when an unbroken one does. */
export interface EarlyStoppingState {
  /** undefined before the first validation. */
  readonly best: number | undefined;
  readonly validationsWithoutImprovement: number;
}

export const NO_VALIDATION_YET: EarlyStoppingState = {
  best: undefined,
  validationsWithoutImprovement: 0,
};

type Patience = Pick<CheckpointConfig, "patience" | "maximize_best_checkpoint_metric">;

/** True if `value` improves on `best`; an equal value does not, and NaN never does. */
export function improves(value: number, best: number | undefined, maximize: boolean): boolean {
  if (Number.isNaN(value)) return false;
  if (best === undefined) return true;
  return maximize ? value > best : value < best;
}

/**
 * Counts a validation. Training stops at the `patience`-th in a row that did not improve on the
 * best; with a patience of 0 or less it never does.
 */
export function countValidation(
  config: Patience,
  state: EarlyStoppingState,
  value: number,
): { state: EarlyStoppingState; stop: boolean } {
  if (improves(value, state.best, config.maximize_best_checkpoint_metric)) {
    return { state: { best: value, validationsWithoutImprovement: 0 }, stop: false };
  }
  const runs = state.validationsWithoutImprovement + 1;
  const counted = { best: state.best, validationsWithoutImprovement: runs };
  return { state: counted, stop: outOfPatience(config, counted) };
}

/** True once `patience` validations in a row brought nothing; of a finished run started again, too. */
export const outOfPatience = (
  { patience }: Pick<Patience, "patience">,
  { validationsWithoutImprovement }: EarlyStoppingState,
): boolean => patience > 0 && validationsWithoutImprovement >= patience;

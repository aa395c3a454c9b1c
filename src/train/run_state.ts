// What a run remembers between updates, besides the trainer's own state.
import type { EpochIteratorState } from "../data/epoch_iterator.ts";
import type { EarlyStoppingState } from "./early_stopping.ts";

/** An update is made, and what follows it is under way: a validation first, then checkpoints. */
export interface Pending {
  readonly epoch: number;
  readonly endOfEpoch: boolean;
  /** What is to be saved, once all that comes before that is done. */
  readonly saving?: Saving;
}

/** What decides which checkpoints are written. */
export interface Saving {
  /** A checkpoint is due, or training stops. */
  readonly save: boolean;
  /** Metric of the validation just made, if there was one. */
  readonly value?: number;
  /** Best value before that. */
  readonly best?: number;
  /** Why training then ends, if it does. */
  readonly reason?: string;
}

export interface RunState {
  /** Best value of --best-checkpoint-metric. */
  best: number | undefined;
  earlyStopping: EarlyStoppingState;
  /** Value of the last validation, if it was made at this point. */
  validated: number | undefined;
  /** The next batches to be trained on. */
  position: EpochIteratorState | undefined;
  pending: Pending | undefined;
}

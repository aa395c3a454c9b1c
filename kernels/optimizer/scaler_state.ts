// What a dynamic loss scale is told, and what it remembers.

/** The settings of fairseq's DynamicLossScaler, and the largest norm of the gradient. */
export interface LossScaleAttributes {
  /** What the scale is multiplied or divided by. */
  readonly factor: number;
  /** Steps without overflow after which it grows. */
  readonly window: number;
  /** Share of steps since it last changed that may overflow before it shrinks. */
  readonly tolerance: number;
  /** It never shrinks below this; 0 for no such floor. */
  readonly threshold: number;
  /** Training ends when it would fall to this. */
  readonly minimum: number;
  /** Largest norm of the gradient; 0 for no limit. */
  readonly maxNorm: number;
}

/** Words of the scaler's counters. Steps are counted from 0; -1 is before the first. */
export const SCALER = {
  iter: 0,
  lastOverflow: 1,
  lastRescale: 2,
  overflowsSinceRescale: 3,
  /** What the last step was: one of SCALER_STATUS. */
  status: 4,
  words: 5,
} as const;

/** void: the step was prepared by someone who did not know of the last overflow; it has changed nothing. */
export const SCALER_STATUS = { good: 0, overflow: 1, minimumReached: 2, void: 3 } as const;

import type { z } from "zod";
import { UserError } from "../config/user_error.ts";

/** How an epoch ended. */
export interface EpochEnd {
  /** Updates done by then, since the beginning of the run. */
  readonly updates: number;
  /** The validation's value of the best-checkpoint metric, or null when there was no validation. */
  readonly validation: number | null;
}

/**
 * A learning rate schedule, as a pure function: the rate of the update that follows `updates` done
 * ones, in `epoch` (from 1), after epochs that ended as `history` says (one entry per finished
 * epoch). With the history in the checkpoint, resuming is exact without any state.
 */
export type Schedule = (updates: number, epoch: number, history: readonly EpochEnd[]) => number;

export interface LrScheduler<C extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly config: C;
  /** @param lr the values of --lr, at least one. @throws UserError on settings that contradict. */
  build(config: z.output<C>, lr: readonly number[]): Schedule;
}

/** Declares a schedule by its name, its settings and the function that they make. */
export function lrScheduler<C extends z.ZodObject>(
  name: string,
  config: C,
  build: (config: z.output<C>, lr: readonly number[]) => Schedule,
): LrScheduler<C> {
  return { name, config, build };
}

/** The one rate of a schedule that knows no list. @throws UserError when several are given. */
export function onlyRate(name: string, lr: readonly number[]): number {
  const [rate] = lr;
  if (rate !== undefined && lr.length === 1) return rate;
  throw new UserError({
    place: "--lr",
    problem: `${lr.join(",")} is a list, and --lr-scheduler ${name} takes one rate`,
    remedy: "give one number, or choose --lr-scheduler fixed, which takes one per epoch",
  });
}

/** The rate of a list for the zero-based index; the last one stays. */
export function rateAt(lr: readonly number[], index: number): number {
  return lr[Math.min(index, lr.length - 1)] ?? 0;
}

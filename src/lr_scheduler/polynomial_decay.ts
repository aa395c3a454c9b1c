import { z } from "zod";
import { UserError } from "../config/user_error.ts";
import type { EpochEnd } from "./schedule.ts";
import { lrScheduler, rateAt } from "./schedule.ts";

const config = z.strictObject({
  warmup_updates: z.int().min(0).default(0).describe("updates over which the rate rises from 0"),
  force_anneal: z
    .int()
    .min(1)
    .optional()
    .describe("from this epoch on each epoch decays from the rate that the one before ended with"),
  end_learning_rate: z.number().min(0).default(0).describe("rate at the end"),
  power: z.number().positive().default(1).describe("1 falls in a line"),
  total_num_update: z
    .int()
    .min(1)
    .optional()
    .describe("update at which the end is reached (unset: --max-update)"),
  max_update: z.int().min(0).default(0).describe("stop after this many updates (0: no limit)"),
});

/** Falls from the epoch's rate to --end-learning-rate with a power of the updates that are left. */
export const polynomialDecay = lrScheduler("polynomial_decay", config, (c, lr) => {
  const total = c.total_num_update ?? c.max_update;
  if (total <= 0) {
    throw new UserError({
      place: "--lr-scheduler polynomial_decay",
      problem: "does not know when to end",
      remedy: "give --total-num-update or --max-update",
    });
  }
  const decay = (base: number, updates: number): number => {
    if (c.warmup_updates > 0 && updates <= c.warmup_updates) {
      return (updates / c.warmup_updates) * base;
    }
    if (updates >= total) return c.end_learning_rate;
    const left = 1 - (updates - c.warmup_updates) / (total - c.warmup_updates);
    return (base - c.end_learning_rate) * left ** c.power + c.end_learning_rate;
  };
  const annealFrom = c.force_anneal ?? Number.POSITIVE_INFINITY;

  /** fairseq counts the list of rates from epoch 0 here: epoch 1 has the second one. */
  const baseOf = (epoch: number, history: readonly EpochEnd[]): number => {
    let base = rateAt(lr, Math.min(epoch, annealFrom - 1));
    for (let e = annealFrom; e <= epoch; e++) base = decay(base, history[e - 2]?.updates ?? 0);
    return base;
  };
  return (updates, epoch, history) => decay(baseOf(epoch, history), updates);
});

import { z } from "zod";
import { UserError } from "../config/user_error.ts";
import { lrScheduler, onlyRate } from "./schedule.ts";

const config = z.strictObject({
  max_lr: z.number().positive().describe("highest rate; --lr is the lowest"),
  lr_period_updates: z.int().min(2).default(5000).describe("updates of a cycle, up and down"),
  lr_shrink: z
    .number()
    .positive()
    .default(0.1)
    .describe("factor of the highest rate after a cycle"),
  shrink_min: z.boolean().default(false).describe("the lowest rate shrinks too"),
});

/** Rises and falls in lines between --lr and --max-lr, over and over (Smith 2017). */
export const triangular = lrScheduler("triangular", config, (c, lr) => {
  const lowest = onlyRate("triangular", lr);
  if (c.max_lr <= lowest) {
    throw new UserError({
      place: "--max-lr",
      problem: `${c.max_lr} is not above --lr ${lowest}`,
      remedy: "--lr is the lowest rate, --max-lr the highest",
    });
  }
  const half = Math.floor(c.lr_period_updates / 2);
  return (updates) => {
    const cycle = Math.floor(updates / (2 * half));
    const shrink = c.lr_shrink ** cycle;
    const high = c.max_lr * shrink;
    const low = c.shrink_min ? lowest * shrink : lowest;
    const fromPeak = Math.abs(updates / half - 2 * (cycle + 1) + 1);
    return low + (high - low) * Math.max(0, 1 - fromPeak);
  };
});

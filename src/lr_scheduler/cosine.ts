import { z } from "zod";
import { UserError } from "../config/user_error.ts";
import { warmupStart } from "./linear_warmup.ts";
import { lrScheduler, onlyRate } from "./schedule.ts";

const config = z.strictObject({
  warmup_updates: z.int().min(0).default(0).describe("updates over which the rate rises linearly"),
  warmup_init_lr: z.number().default(-1).describe("rate at update 0 (below 0: --min-lr)"),
  min_lr: z.number().min(0).default(0).describe("lowest rate of the first period"),
  t_mult: z.number().positive().default(1).describe("factor by which each period is longer"),
  lr_period_updates: z
    .number()
    .default(-1)
    .describe("updates of the first period (0 or less: all after the warm-up, by --max-update)"),
  lr_shrink: z.number().positive().default(0.1).describe("factor of both rates after each period"),
  max_update: z.int().min(0).default(0).describe("stop after this many updates (0: no limit)"),
});

/** Falls along half a cosine, over and over (Loshchilov and Hutter 2017). */
export const cosine = lrScheduler("cosine", config, (c, lr) => {
  const highest = onlyRate("cosine", lr);
  requireRange(highest, c.min_lr);
  const period = c.lr_period_updates > 0 ? c.lr_period_updates : c.max_update - c.warmup_updates;
  if (period <= 0) {
    throw new UserError({
      place: "--lr-scheduler cosine",
      problem: "does not know how long to fall",
      remedy: "give --lr-period-updates, or a --max-update greater than --warmup-updates",
    });
  }
  const start = warmupStart(c.warmup_init_lr, c.min_lr);
  const step = (highest - start) / Math.max(c.warmup_updates, 1);
  return (updates) => {
    if (updates < c.warmup_updates) return start + updates * step;
    const { number, length, at } = periodOf(updates - c.warmup_updates, period, c.t_mult);
    const shrink = c.lr_shrink ** number;
    const low = c.min_lr * shrink;
    return low + 0.5 * (highest * shrink - low) * (1 + Math.cos((Math.PI * at) / length));
  };
});

/** Which period an update falls into, how long that is, and where in it the update stands. */
function periodOf(
  updates: number,
  first: number,
  growth: number,
): { number: number; length: number; at: number } {
  if (growth === 1) {
    const number = Math.floor(updates / first);
    return { number, length: first, at: updates - first * number };
  }
  const number = Math.floor(Math.log(1 - (updates / first) * (1 - growth)) / Math.log(growth));
  const length = growth ** number * first;
  return { number, length, at: updates - ((1 - growth ** number) / (1 - growth)) * first };
}

function requireRange(highest: number, lowest: number): void {
  if (highest > lowest) return;
  throw new UserError({
    place: "--min-lr",
    problem: `${lowest} is not below --lr ${highest}`,
    remedy: "give a smaller --min-lr, or a larger --lr",
  });
}

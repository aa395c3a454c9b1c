import { z } from "zod";
import { UserError } from "../config/user_error.ts";
import { warmupStart } from "./linear_warmup.ts";
import { lrScheduler, onlyRate } from "./schedule.ts";

const config = z.strictObject({
  warmup_updates: z.int().min(0).default(0).describe("updates over which the rate rises linearly"),
  warmup_init_lr: z.number().default(-1).describe("rate at update 0 (below 0: --min-lr)"),
  min_lr: z.number().min(0).default(0).describe("lowest rate"),
  lr_decay_period: z
    .int()
    .min(1)
    .default(25000)
    .describe("updates between two falls")
    .meta({ aliases: ["--lr-deacy-period"] }), // fairseq's spelling
  lr_decay: z.number().positive().max(1).default(0.5).describe("factor of each fall"),
});

/** Falls by a factor every --lr-decay-period updates. */
export const step = lrScheduler("step", config, (c, lr) => {
  const highest = onlyRate("step", lr);
  if (highest <= c.min_lr) {
    throw new UserError({
      place: "--min-lr",
      problem: `${c.min_lr} is not below --lr ${highest}`,
      remedy: "give a smaller --min-lr, or a larger --lr",
    });
  }
  const start = warmupStart(c.warmup_init_lr, c.min_lr);
  const rise = (highest - start) / Math.max(c.warmup_updates, 1);
  return (updates) => {
    if (updates < c.warmup_updates) return start + updates * rise;
    const falls = Math.floor((updates - c.warmup_updates) / c.lr_decay_period);
    return Math.max(highest * c.lr_decay ** falls, c.min_lr);
  };
});

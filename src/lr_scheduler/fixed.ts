import { z } from "zod";
import { lrScheduler, rateAt } from "./schedule.ts";

const config = z.strictObject({
  warmup_updates: z.int().min(0).default(0).describe("updates over which the rate rises linearly"),
  force_anneal: z
    .int()
    .min(1)
    .optional()
    .describe("from this epoch on the last rate shrinks with every epoch"),
  lr_shrink: z.number().positive().default(0.1).describe("factor of each such epoch"),
});

/** The rates of --lr, one per epoch; the last one stays, or shrinks from --force-anneal on. */
export const fixed = lrScheduler("fixed", config, (c, lr) => {
  const annealFrom = c.force_anneal ?? Number.POSITIVE_INFINITY;
  return (updates, epoch) => {
    const rate =
      epoch < annealFrom
        ? rateAt(lr, epoch - 1)
        : rateAt(lr, lr.length - 1) * c.lr_shrink ** (epoch + 1 - annealFrom);
    return updates < c.warmup_updates ? ((updates + 1) / c.warmup_updates) * rate : rate;
  };
});

import { z } from "zod";
import { lrScheduler, onlyRate } from "./schedule.ts";

const config = z.strictObject({
  warmup_updates: z
    .int()
    .min(1)
    .default(4000)
    .describe("updates over which the rate rises linearly to --lr"),
  warmup_init_lr: z.number().default(-1).describe("rate at update 0 (below 0: 0)"),
});

/** Rises linearly to --lr, then falls with the square root of the updates (Vaswani et al. 2017). */
export const inverseSqrt = lrScheduler("inverse_sqrt", config, (c, lr) => {
  const peak = onlyRate("inverse_sqrt", lr);
  const start = Math.max(c.warmup_init_lr, 0);
  const step = (peak - start) / c.warmup_updates;
  const decay = peak * c.warmup_updates ** 0.5;
  return (updates) =>
    updates < c.warmup_updates ? start + updates * step : decay * updates ** -0.5;
});

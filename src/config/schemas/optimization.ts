import { z } from "zod";

/** How long and with which gradients to train. */
export const optimization = z.strictObject({
  max_epoch: z.int().min(0).default(0).describe("stop after this epoch (0: no limit)"),
  max_update: z.int().min(0).default(0).describe("stop after this many updates (0: no limit)"),
  stop_time_hours: z
    .number()
    .min(0)
    .default(0)
    .describe("stop after this many hours of training (0: no limit)"),
  clip_norm: z
    .number()
    .min(0)
    .default(0)
    .describe("largest norm of the gradient; it is scaled down to this (0: never)"),
  sentence_avg: z
    .boolean()
    .default(false)
    .describe("divide gradients by the number of sentences instead of tokens"),
  update_freq: z
    .array(z.int().min(1))
    .min(1)
    .default([1])
    .describe(
      "batches whose gradients make one update; several numbers: one per epoch, the last stays",
    ),
  lr: z
    .array(z.number().min(0))
    .min(1)
    .default([0.25])
    .describe(
      "learning rate; several numbers: one per epoch, the last stays (as the schedule says)",
    ),
  stop_min_lr: z.number().default(-1).describe("stop when the learning rate falls to this"),
  skip_remainder_batch: z
    .boolean()
    .default(false)
    .describe("drop the batches at the end of an epoch that do not make a whole update"),
});

export type OptimizationConfig = z.output<typeof optimization>;

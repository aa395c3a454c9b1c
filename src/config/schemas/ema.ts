import { z } from "zod";

/** A moving average of the weights, kept beside them. */
export const ema = z.strictObject({
  store_ema: z
    .boolean()
    .default(false)
    .describe("keep a moving average of the weights in the checkpoints"),
  ema_decay: z
    .number()
    .min(0)
    .max(1)
    .default(0.9999)
    .describe("share of the old average in the new one"),
  ema_start_update: z
    .int()
    .min(0)
    .default(0)
    .describe("up to this update the average is a plain copy"),
  ema_update_freq: z.int().min(1).default(1).describe("updates between two changes of the average"),
  ema_seed_model: z
    .string()
    .optional()
    .describe("checkpoint whose weights the average starts from")
    .meta({ placeholder: "FILE" }),
});

export type EmaConfig = z.output<typeof ema>;

import { z } from "zod";

/** What training stores numbers as, and how it keeps small gradients from vanishing in f16. */
export const precision = z.strictObject({
  fp16: z
    .boolean()
    .default(false)
    .describe("weights, activations and gradients in f16, f32 sums and master weights (webgpu)"),
  memory_efficient_fp16: z
    .boolean()
    .default(false)
    .describe("as --fp16, and the optimizer moves the f16 weights: no f32 copy, less exact"),
  fp16_init_scale: z
    .number()
    .positive()
    .default(128)
    .describe("what the loss is multiplied by at first"),
  fp16_scale_window: z
    .int()
    .min(1)
    .optional()
    .describe(
      "updates without overflow after which the scale doubles (unset: 16384 / batches per update)",
    ),
  fp16_scale_tolerance: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe("share of updates that may overflow before the scale halves"),
  min_loss_scale: z
    .number()
    .min(0)
    .default(1e-4)
    .describe("training ends with an error where the scale would fall to this"),
  threshold_loss_scale: z
    .number()
    .positive()
    .optional()
    .describe("the scale is never halved below this"),
});

export type PrecisionConfig = z.output<typeof precision>;

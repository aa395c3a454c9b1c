import { z } from "zod";
import { evaluationData } from "./evaluation.ts";

/** The data of validate. */
export const validationData = z.strictObject({
  ...evaluationData.shape,
  valid_subset: z
    .string()
    .default("valid")
    .describe("names of the sets to validate on, joined by commas")
    .meta({ placeholder: "NAMES" }),
  max_valid_steps: z
    .int()
    .min(1)
    .optional()
    .describe("validate on the first N batches only")
    .meta({ aliases: ["--nval"] }),
});

export type ValidationDataConfig = z.output<typeof validationData>;

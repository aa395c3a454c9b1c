import { z } from "zod";
import { batching } from "./batching.ts";

/** The data of a training run and of its validations. */
export const dataset = z.strictObject({
  ...batching.shape,
  data: z
    .string()
    .describe(
      "folder of binarised data (several, joined by colons, take turns by epoch), or of raw text",
    )
    .meta({ positional: true }),
  dataset_impl: z
    .enum(["raw", "lazy", "cached", "mmap"])
    .optional()
    .describe("format of the data (unset: recognised from the files)"),
  train_subset: z
    .string()
    .default("train")
    .describe("name of the training set")
    .meta({ placeholder: "NAME" }),
  valid_subset: z
    .string()
    .regex(/^[^,\s]+(,[^,\s]+)*$/, "must be names joined by commas, without spaces")
    .default("valid")
    .describe("names of the validation sets, joined by commas")
    .meta({ placeholder: "NAMES" }),
  validate_interval: z.int().min(1).default(1).describe("validate every N epochs"),
  validate_interval_updates: z
    .int()
    .min(0)
    .default(0)
    .describe("also validate every N updates (0: never)"),
  validate_after_updates: z
    .int()
    .min(0)
    .default(0)
    .describe("do not validate before this many updates"),
  disable_validation: z.boolean().default(false).describe("never validate"),
  max_tokens_valid: z
    .int()
    .min(1)
    .optional()
    .describe("most tokens in a validation batch (unset: --max-tokens)"),
  batch_size_valid: z
    .int()
    .min(1)
    .optional()
    .describe("most sentences in a validation batch (unset: --batch-size)")
    .meta({ aliases: ["--max-sentences-valid"] }),
  max_valid_steps: z
    .int()
    .min(1)
    .optional()
    .describe("validate on the first N batches only")
    .meta({ aliases: ["--nval"] }),
  curriculum: z
    .int()
    .min(0)
    .default(0)
    .describe("do not shuffle the batches of the first N epochs"),
  grouped_shuffling: z
    .boolean()
    .default(false)
    .describe("shuffle groups of neighbouring batches, one for each peer, instead of single ones"),
});

export type DatasetConfig = z.output<typeof dataset>;

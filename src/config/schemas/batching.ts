import { z } from "zod";

/** How sentences are put into batches; shared by training, validation and generation. */
export const batching = z.strictObject({
  max_tokens: z.int().min(1).optional().describe("most tokens in a batch, padding included"),
  batch_size: z
    .int()
    .min(1)
    .optional()
    .describe("most sentences in a batch")
    .meta({ aliases: ["--max-sentences"] }),
  required_batch_size_multiple: z
    .int()
    .min(1)
    .default(8)
    .describe("sentences in a batch are a multiple of this, or fewer"),
  required_seq_len_multiple: z
    .int()
    .min(1)
    .default(1)
    .describe("pad the width of a batch to a multiple of this"),
  on_too_long: z
    .enum(["error", "truncate", "skip"])
    .default("error")
    .describe("what to do with sentences longer than the model takes; all are counted"),
  skip_invalid_size_inputs_valid_test: z
    .boolean()
    .default(false)
    .describe(
      "skip sentences of invalid length in validation and test sets, whatever --on-too-long says",
    ),
});

export type BatchingConfig = z.output<typeof batching>;

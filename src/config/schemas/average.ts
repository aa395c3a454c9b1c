import { z } from "zod";

/** The mean of several checkpoints. */
export const average = z
  .strictObject({
    inputs: z
      .array(z.string())
      .min(1)
      .describe("checkpoint files, or one folder")
      .meta({ several: true, placeholder: "PATH ..." }),
    output: z.string().describe("file to write").meta({ placeholder: "FILE" }),
    num_epoch_checkpoints: z
      .int()
      .min(1)
      .optional()
      .describe("of a folder: the last N saved at the end of an epoch"),
    num_update_checkpoints: z
      .int()
      .min(1)
      .optional()
      .describe("of a folder: the last N saved by updates"),
    num_best_checkpoints: z
      .int()
      .min(1)
      .optional()
      .describe("the N best of those kept by --keep-best-checkpoints"),
    checkpoint_upper_bound: z
      .int()
      .min(1)
      .optional()
      .describe("nothing later than this epoch (or update, with --num-update-checkpoints)"),
  })
  .refine(
    (c) =>
      [c.num_epoch_checkpoints, c.num_update_checkpoints, c.num_best_checkpoints].filter(
        (n) => n !== undefined,
      ).length <= 1,
    {
      error: "more than one --num-*-checkpoints flag is given",
      params: { remedy: "choose by epochs, by updates or by score" },
    },
  );

export type AverageConfig = z.output<typeof average>;

import { z } from "zod";

/** What a training can be told about its randomness and its log. */
export const common = z.strictObject({
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(1)
    .describe("seed of all randomness: same seed, same results"),
  log_interval: z.int().min(1).default(100).describe("updates (or batches) between two log lines"),
  log_format: z
    .enum(["json", "none", "simple", "tqdm"])
    .optional()
    .describe("how progress is logged (unset: tqdm, a bar, on a terminal, else simple)"),
  log_file: z
    .string()
    .optional()
    .describe("also append the log to this file")
    .meta({ placeholder: "FILE" }),
  no_progress_bar: z
    .boolean()
    .default(false)
    .describe("log lines instead of a bar, on a terminal too"),
  profile: z
    .string()
    .optional()
    .describe("write the time of each op here, for Perfetto or a browser's tracing page")
    .meta({ placeholder: "FILE" }),
});

/** What the commands over finished models heed of it: they have a bar and results, but no log. */
export const evaluationCommon = z.strictObject({
  seed: common.shape.seed,
  profile: common.shape.profile,
  no_progress_bar: z.boolean().default(false).describe("draw no bar, on a terminal either"),
});

/** validate also chooses how its results are written. */
export const validationCommon = evaluationCommon.extend({
  log_format: z
    .enum(["json", "none", "simple", "tqdm"])
    .optional()
    .describe("json: results as objects, else as fairseq's lines (all but tqdm: no bar either)"),
});

export type CommonConfig = z.output<typeof common>;
export type EvaluationCommonConfig = z.output<typeof evaluationCommon>;
export type ValidationCommonConfig = z.output<typeof validationCommon>;

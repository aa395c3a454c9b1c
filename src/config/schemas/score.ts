import { z } from "zod";

/** Scores of a system's output against references, line by line. */
export const score = z.strictObject({
  sys: z
    .string()
    .default("-")
    .describe("the system's output, - for stdin")
    .meta({ aliases: ["-s"], placeholder: "FILE" }),
  ref: z
    .string()
    .describe("the references")
    .meta({ aliases: ["-r"], placeholder: "FILE" }),
  order: z
    .int()
    .min(1)
    .max(4)
    .default(4)
    .describe("longest n-grams of BLEU")
    .meta({ aliases: ["-o"] }),
  ignore_case: z.boolean().default(false).describe("compare in small letters"),
  sentence_bleu: z
    .boolean()
    .default(false)
    .describe("a score for each line instead of one for all"),
});

export type ScoreConfig = z.output<typeof score>;

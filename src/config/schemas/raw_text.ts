import { z } from "zod";
import { preprocess } from "./preprocess.ts";

const file = { placeholder: "FILE" };

/** How training on raw text makes its vocabulary; refused beside binarised data. */
export const rawText = z.strictObject({
  bpe_codes: z
    .string()
    .optional()
    .describe("cut the words of raw text with these codes first")
    .meta(file),
  bpe_symbols: z
    .int()
    .min(1)
    .optional()
    .describe("learn so many merges from raw text, and cut its words with them"),
  ...preprocess.pick({
    joined_dictionary: true,
    thresholdsrc: true,
    thresholdtgt: true,
    nwordssrc: true,
    nwordstgt: true,
    srcdict: true,
    tgtdict: true,
    padding_factor: true,
    workers: true,
  }).shape,
});

export type RawTextConfig = z.output<typeof rawText>;

import { z } from "zod";

/** How raw text becomes the pieces a model knows, and its output text again: generate, interactive. */
export const textCodec = z.strictObject({
  tokenizer: z
    .enum(["space", "joiner"])
    .optional()
    .describe("how text is cut into words (unset: it is in words already)"),
  bpe: z
    .enum(["subword_nmt"])
    .optional()
    .describe("how words are cut into pieces, and joined in the D- lines (unset: not at all)"),
  bpe_codes: z
    .string()
    .optional()
    .describe("codes that weft bpe learn or subword-nmt wrote")
    .meta({ placeholder: "FILE" }),
  bpe_separator: z.string().default("@@").describe("mark of pieces that another piece follows"),
});

export type TextCodecConfig = z.output<typeof textCodec>;

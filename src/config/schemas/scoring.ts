import { z } from "zod";

const tokenizer = z.enum(["none", "13a", "intl", "char", "zh"]);

/** sacreBLEU's BLEU. */
export const sacrebleuScoring = z.strictObject({
  sacrebleu_tokenizer: tokenizer.default("13a").describe("how the text is cut into tokens"),
  sacrebleu_lowercase: z.boolean().default(false).describe("compare in small letters"),
  sacrebleu_char_level: z.boolean().default(false).describe("compare characters instead of tokens"),
});

/** sacreBLEU under a flag of its own, with its settings: they are there whatever --scoring says. */
export const sacrebleuFlags = z.strictObject({
  sacrebleu: z
    .boolean()
    .default(false)
    .describe("score with sacreBLEU's BLEU: the same as --scoring sacrebleu"),
  ...sacrebleuScoring.shape,
});

export type SacrebleuFlags = z.output<typeof sacrebleuFlags>;

/** Word error rate. */
export const werScoring = z.strictObject({
  wer_tokenizer: tokenizer.default("none").describe("how the text is cut into tokens"),
  wer_remove_punct: z.boolean().default(false).describe("leave out punctuation"),
  wer_char_level: z.boolean().default(false).describe("compare characters instead of tokens"),
  wer_lowercase: z.boolean().default(false).describe("compare in small letters"),
});

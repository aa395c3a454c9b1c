import { z } from "zod";
import { postProcess } from "./evaluation.ts";

/** The translation task. */
export const translation = z.strictObject({
  source_lang: z
    .string()
    .optional()
    .describe("source language, as in the names of the files (unset: found from them)")
    .meta({ aliases: ["-s"], placeholder: "LANG" }),
  target_lang: z
    .string()
    .optional()
    .describe("target language")
    .meta({ aliases: ["-t"], placeholder: "LANG" }),
  // fairseq 0.12's --left-pad-source takes no value and means the opposite of its name. Here both
  // flags say what they mean, alone or with True or False behind them, as older recipes have it.
  left_pad_source: z
    .boolean()
    .default(true)
    .describe("pad sources on the left, so that they end together"),
  left_pad_target: z.boolean().default(false).describe("pad targets on the left"),
  max_source_positions: z.int().min(1).default(1024).describe("most tokens in a source sentence"),
  max_target_positions: z.int().min(1).default(1024).describe("most tokens in a target sentence"),
  upsample_primary: z
    .int()
    .min(-1)
    .default(-1)
    .describe("repeat the first training set N times beside the others (-1: once)"),
  truncate_source: z.boolean().default(false).describe("cut sources to --max-source-positions"),
  num_batch_buckets: z
    .int()
    .min(0)
    .default(0)
    .describe("pad lengths up to N quantiles of the data's, so that few shapes occur (0: no such)"),
  eval_bleu: z.boolean().default(false).describe("translate the validation set and log its BLEU"),
  eval_bleu_args: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('settings of that search, such as {"beam": 4, "lenpen": 0.6}'),
  eval_bleu_detok: z
    .enum(["space", "moses"])
    .default("space")
    .describe("how to join the words again before scoring (moses: not there yet)"),
  eval_tokenized_bleu: z.boolean().default(false).describe("score the tokens as they are"),
  eval_bleu_remove_bpe: postProcess
    .optional()
    .describe("join the pieces of words before scoring")
    .meta({ bare: "subword_nmt" }),
  eval_bleu_print_samples: z
    .boolean()
    .default(false)
    .describe("print one translation of each validation"),
});

export type TranslationConfig = z.output<typeof translation>;

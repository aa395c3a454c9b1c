import { z } from "zod";

const file = { placeholder: "FILE" };
const prefixes = { placeholder: "PREFIX" };

/** From text to dictionaries and binarised data. */
export const preprocess = z.strictObject({
  source_lang: z
    .string()
    .optional()
    .describe("source language: the ending of the files' names")
    .meta({ aliases: ["-s"], placeholder: "LANG" }),
  target_lang: z
    .string()
    .optional()
    .describe("target language: the ending of the files' names")
    .meta({ aliases: ["-t"], placeholder: "LANG" }),
  trainpref: z.string().optional().describe("training text: files PREFIX.LANG").meta(prefixes),
  validpref: z
    .string()
    .optional()
    .describe("validation text; several joined by commas")
    .meta(prefixes),
  testpref: z.string().optional().describe("test text; several joined by commas").meta(prefixes),
  align_suffix: z
    .string()
    .optional()
    .describe("ending of the files with alignments")
    .meta({ placeholder: "SUFFIX" }),
  destdir: z
    .string()
    .default("data-bin")
    .describe("folder to write into")
    .meta({ placeholder: "FOLDER" }),
  thresholdsrc: z.int().min(0).default(0).describe("source words seen fewer times are unknown"),
  thresholdtgt: z.int().min(0).default(0).describe("target words seen fewer times are unknown"),
  srcdict: z.string().optional().describe("use this source dictionary").meta(file),
  tgtdict: z.string().optional().describe("use this target dictionary").meta(file),
  nwordssrc: z.int().min(-1).default(-1).describe("most source words to keep (-1: all)"),
  nwordstgt: z.int().min(-1).default(-1).describe("most target words to keep (-1: all)"),
  alignfile: z
    .string()
    .optional()
    .describe("alignments of the training text, for a word dictionary")
    .meta(file),
  dataset_impl: z
    .enum(["mmap", "cached", "lazy", "raw"])
    .default("mmap")
    .describe("format to write; cached and lazy are fairseq's older one"),
  joined_dictionary: z.boolean().default(false).describe("one dictionary for both languages"),
  only_source: z.boolean().default(false).describe("only the source language"),
  padding_factor: z
    .int()
    .min(0)
    .default(8)
    .describe("pad the dictionary's size to a multiple of this (0 or 1: not at all)"),
  workers: z.int().min(1).default(1).describe("threads; the result is the same for any number"),
  dict_only: z.boolean().default(false).describe("write the dictionaries and stop"),
});

export type PreprocessConfig = z.output<typeof preprocess>;

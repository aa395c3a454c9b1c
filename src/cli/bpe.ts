import { z } from "zod";
import { applyBpeFile, learnBpeFiles } from "../data/bpe/bpe_files.ts";
import { command } from "./command.ts";

const file = { placeholder: "FILE" };
const output = z.string().default("-").describe("file to write, - for stdout");
const separator = z.string().default("@@").describe("mark of pieces that another piece follows");

/** subword-nmt's learn-bpe and, with --write-vocabulary, learn-joint-bpe-and-vocab. */
export const bpeLearn = command({
  name: "bpe learn",
  summary: "learn byte-pair encoding from text",
  config: z.strictObject({
    input: z
      .array(z.string())
      .min(1)
      .default(["-"])
      .describe("texts to learn from together, - for stdin")
      .meta({ ...file, aliases: ["-i"], several: true }),
    output: output.meta({ ...file, aliases: ["-o"] }),
    symbols: z
      .int()
      .min(1)
      .default(10000)
      .describe("merges to learn")
      .meta({ aliases: ["-s"] }),
    min_frequency: z.int().min(1).default(2).describe("stop when no pair is this frequent"),
    dict_input: z.boolean().default(false).describe('the input is a list of "word count" lines'),
    total_symbols: z
      .boolean()
      .default(false)
      .describe("count single characters among --symbols")
      .meta({ aliases: ["-t"] }),
    write_vocabulary: z
      .array(z.string())
      .default([])
      .describe("for each input a file for the counts of its pieces")
      .meta({ ...file, several: true }),
    separator,
  }),
  run: (settings) =>
    learnBpeFiles({
      inputs: settings.input,
      output: settings.output,
      symbols: settings.symbols,
      minFrequency: settings.min_frequency,
      dictInput: settings.dict_input,
      totalSymbols: settings.total_symbols,
      vocabularies: settings.write_vocabulary,
      separator: settings.separator,
    }),
});

/** subword-nmt's apply-bpe. */
export const bpeApply = command({
  name: "bpe apply",
  summary: "cut the words of a text into pieces",
  config: z.strictObject({
    codes: z
      .string()
      .describe("codes that bpe learn wrote")
      .meta({ ...file, aliases: ["-c"] }),
    input: z
      .string()
      .default("-")
      .describe("text to cut, - for stdin")
      .meta({ ...file, aliases: ["-i"] }),
    output: output.meta({ ...file, aliases: ["-o"] }),
    merges: z
      .int()
      .min(-1)
      .default(-1)
      .describe("use only the first merges (-1: all)")
      .meta({ aliases: ["-m"] }),
    vocabulary: z
      .string()
      .optional()
      .describe('"piece count" lines; other pieces are split further')
      .meta(file),
    vocabulary_threshold: z
      .int()
      .optional()
      .describe("rarer pieces of the vocabulary do not count as known"),
    glossaries: z
      .array(z.string())
      .default([])
      .describe("regular expressions of words that are never cut")
      .meta({ placeholder: "REGEX", several: true }),
    separator,
  }),
  run: (settings) =>
    applyBpeFile({
      codes: settings.codes,
      input: settings.input,
      output: settings.output,
      merges: settings.merges < 0 ? undefined : settings.merges,
      vocabulary: settings.vocabulary,
      vocabularyThreshold: settings.vocabulary_threshold,
      glossaries: settings.glossaries,
      separator: settings.separator,
    }),
});

import { z } from "zod";
import { postProcess } from "./evaluation.ts";

/** The search for output and how it is printed: generate, interactive. */
export const generation = z.strictObject({
  beam: z
    .int()
    .min(1)
    .default(5)
    .describe("how many hypotheses the search keeps for each sentence"),
  nbest: z.int().min(1).default(1).describe("how many hypotheses to print for each sentence"),
  max_len_a: z
    .number()
    .min(0)
    .default(0)
    .describe("outputs have at most a * source length + b tokens: a"),
  max_len_b: z
    .int()
    .min(0)
    .default(200)
    .describe("outputs have at most a * source length + b tokens: b"),
  min_len: z
    .int()
    .min(0)
    .default(1)
    .describe("outputs have at least N tokens, end of sentence not counted"),
  match_source_len: z.boolean().default(false).describe("outputs are as long as their sources"),
  unnormalized: z
    .boolean()
    .default(false)
    .describe("compare sums of log-probabilities, whatever the lengths"),
  lenpen: z
    .number()
    .default(1)
    .describe("score / length^lenpen: below 1 favours short outputs, above 1 long ones"),
  unkpen: z.number().default(0).describe("penalty for each unknown word: below 0 favours them"),
  post_process: postProcess
    .optional()
    .describe("join the pieces of words in the D- lines and for the scores")
    .meta({ aliases: ["--remove-bpe"], bare: "subword_nmt" }),
  replace_unk: z
    .union([z.literal(true), z.string()])
    .optional()
    .describe("replace unknown words by the aligned source word, looked up in FILE if one is given")
    .meta({ bare: true, placeholder: "FILE" }),
  score_reference: z.boolean().default(false).describe("score the references instead of searching"),
  prefix_size: z
    .int()
    .min(0)
    .default(0)
    .describe("begin each output with the first N tokens of its reference"),
  no_repeat_ngram_size: z
    .int()
    .min(0)
    .default(0)
    .describe("no output holds the same N tokens in a row twice (0: any may)"),
  sampling: z.boolean().default(false).describe("draw at random instead of searching for the best"),
  sampling_topk: z
    .int()
    .min(-1)
    .default(-1)
    .describe("draw only among the N likeliest words (-1: all)"),
  sampling_topp: z
    .number()
    .max(1)
    .default(-1)
    .describe("draw only among the likeliest words that together have this probability (-1: all)"),
  constraints: z
    .enum(["ordered", "unordered"])
    .optional()
    .describe(
      "outputs must hold the phrases given after each source line, in tab-separated columns",
    )
    .meta({ bare: "ordered" }),
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe("divides the logits: above 1 flattens the distribution"),
  diverse_beam_groups: z
    .int()
    .min(-1)
    .default(-1)
    .describe("search in N groups that avoid each other's words (-1: one)"),
  diverse_beam_strength: z
    .number()
    .min(0)
    .default(0.5)
    .describe("how strongly the groups avoid each other's words"),
  diversity_rate: z
    .number()
    .default(-1)
    .describe("penalty by rank among the continuations of one hypothesis (-1: none)"),
  print_alignment: z
    .enum(["hard", "soft"])
    .optional()
    .describe("print A- lines: source positions of each output word, or all weights")
    .meta({ bare: "hard" }),
  print_step: z.boolean().default(false).describe("print the number of steps of each search"),
});

export type GenerationConfig = z.output<typeof generation>;

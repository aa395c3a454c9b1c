// What may be asked. The limits of a server stand in its schemas, and so in its openapi.json.
import * as z from "zod";
import type { Limits } from "./limits.ts";
import { textUpTo } from "./text_schema.ts";

/** Fields that every request has. */
const model = z
  .string()
  .max(256)
  .optional()
  .describe("name of a model, as /v1/models lists it; may be left out when there is one");
const alignments = z.boolean().default(false).describe("tell where each output token looked");
const token_scores = z
  .boolean()
  .default(false)
  .describe("list each output token with its log-probability");
const stream = z
  .boolean()
  .default(false)
  .describe("answer by server-sent events, as the header accept: text/event-stream does");

/** How to search; names and meanings are those of weft generate. */
const search = (limits: Limits) => ({
  beam: z
    .int()
    .min(1)
    .max(limits.max_beam)
    .default(Math.min(5, limits.max_beam))
    .describe("hypotheses kept at each step"),
  nbest: z
    .int()
    .min(1)
    .max(limits.max_beam)
    .default(1)
    .describe("hypotheses returned per sentence, at most beam"),
  lenpen: z
    .number()
    .min(-10)
    .max(10)
    .default(1)
    .describe("score / length^lenpen: above 1 favours long outputs"),
  max_len: z
    .int()
    .min(1)
    .max(limits.max_output_tokens)
    .default(Math.min(200, limits.max_output_tokens))
    .describe("most tokens of a sentence's output"),
  min_len: z
    .int()
    .min(1)
    .max(limits.max_output_tokens)
    .default(1)
    .describe("fewest tokens of a sentence's output, at most max_len"),
  prefix: textUpTo(limits.max_text_length)
    .optional()
    .describe(
      "whole words that the output begins with (of the first sentence); unknown ones are <unk>",
    ),
  no_repeat_ngram_size: z
    .int()
    .min(0)
    .max(limits.max_output_tokens)
    .default(0)
    .describe("no output holds the same N tokens in a row twice; 0 and 1 forbid nothing"),
  temperature: z.number().min(0.01).max(100).default(1).describe("divides the logits"),
});

const sampling = z
  .strictObject({
    topk: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe("draw among the N likeliest tokens; 0: among all"),
    topp: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe("draw among the likeliest tokens of this probability together; 0: among all"),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .default(1)
      .describe("the same seed draws the same output"),
  })
  .optional()
  .describe("draw at random instead of searching");

interface Search {
  readonly beam: number;
  readonly nbest: number;
  readonly max_len: number;
  readonly min_len: number;
}

const nbestFits = ({ nbest, beam }: Search): boolean => nbest <= beam;
const nbestWrong = {
  path: ["nbest"],
  error: "is more than beam",
  params: { remedy: "give at most as many as beam, or a wider beam" },
};
const lengthFits = ({ min_len, max_len }: Search): boolean => min_len <= max_len;
const lengthWrong = {
  path: ["min_len"],
  error: "is more than max_len",
  params: { remedy: "give a smaller min_len, or a larger max_len" },
};

export function translateRequest(limits: Limits) {
  const text = textUpTo(limits.max_text_length);
  return z
    .strictObject({
      model,
      text: z
        .union([text, z.array(text).min(1).max(limits.max_texts)])
        .describe("one text of any number of sentences, or a list of texts"),
      ...search(limits),
      alignments,
      token_scores,
      stream,
    })
    .refine(nbestFits, nbestWrong)
    .refine(lengthFits, lengthWrong);
}

export function generateRequest(limits: Limits) {
  return z
    .strictObject({
      model,
      text: textUpTo(limits.max_text_length).describe("one sentence; it is not split"),
      ...search(limits),
      sampling,
      alignments,
      token_scores,
      stream,
    })
    .refine(nbestFits, nbestWrong)
    .refine(lengthFits, lengthWrong);
}

export function scoreRequest(limits: Limits) {
  const text = textUpTo(limits.max_text_length);
  const texts = z.union([text, z.array(text).min(1).max(limits.max_texts)]);
  return z
    .strictObject({
      model,
      source: texts.describe("a sentence, or a list of them"),
      target: texts.describe("the output to score, or as many of them as sources"),
      alignments,
      token_scores,
    })
    .refine(({ source, target }) => [source].flat().length === [target].flat().length, {
      path: ["target"],
      error: "has another length than source",
      params: { remedy: "give one target for each source" },
    });
}

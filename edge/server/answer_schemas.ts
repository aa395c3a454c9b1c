// What is answered. Only openapi.json and tests read these; answers are built by typed code.
import * as z from "zod";

const timing = z
  .strictObject({
    queue_ms: z.number().min(0).describe("milliseconds of waiting for a turn"),
    total_ms: z.number().min(0).describe("milliseconds in all, from the body's last byte"),
  })
  .describe("by the server's clock");

const model = z.string().describe("the model that answered");

export const hypothesis = z.strictObject({
  text: z.string(),
  score: z.number().describe("log-probability (natural), divided by length^lenpen"),
  tokens: z
    .array(z.strictObject({ token: z.string(), score: z.number() }))
    .optional()
    .describe("with token_scores: output tokens, end of sentence included"),
  alignment: z
    .strictObject({
      source: z.array(z.string()),
      weights: z.array(z.array(z.number())),
    })
    .optional()
    .describe("with alignments: source tokens, and a row of attention for each output token"),
});

const sentence = z.strictObject({
  source: z.string(),
  hypotheses: z.array(hypothesis).describe("best first"),
});

export const translateAnswer = z.strictObject({
  model,
  translations: z
    .array(
      z.strictObject({
        text: z.string().describe("best hypotheses, joined with the source's white space"),
        sentences: z.array(sentence),
      }),
    )
    .describe("one for each text"),
  timing,
});

export const generateAnswer = z.strictObject({ model, ...sentence.shape, timing });

export const scoreAnswer = z.strictObject({
  model,
  scores: z
    .array(hypothesis)
    .describe("one for each pair; text is the target as the model reads it"),
  timing,
});

export const modelsAnswer = z.strictObject({
  models: z.array(
    z.strictObject({
      name: z.string(),
      source_lang: z.string(),
      target_lang: z.string(),
      licence: z.string(),
      parameters: z.int(),
      quantize: z.enum(["none", "int8", "int4"]),
      engine: z.string().describe("what computes, for people"),
      max_source_tokens: z.int().describe("longest sentence, end of sentence included"),
      loaded_at: z.iso.datetime(),
      scores: z
        .array(
          z.strictObject({
            metric: z.string(),
            signature: z.string(),
            on: z.string(),
            sentences: z.int(),
            beam: z.int(),
            before: z.number(),
            after: z.number(),
          }),
        )
        .describe("quality as measured when the bundle was made"),
    }),
  ),
});

export const statusAnswer = z.strictObject({ status: z.string() });

export const errorAnswer = z.strictObject({
  error: z.strictObject({
    code: z.string().describe("for programs: one word that stays the same"),
    message: z.string().describe("for people: what is wrong, with the value"),
    field: z.string().optional().describe("path of the field, as text[2] or sampling.topk"),
    remedy: z.string().describe("what to do about it"),
  }),
});

export type HypothesisAnswer = z.output<typeof hypothesis>;

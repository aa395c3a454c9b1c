import { allOf } from "./all_of.ts";
import { translateAnswer } from "./answer_schemas.ts";
import type { Endpoint } from "./endpoint.ts";
import { sentenceAnswer, tokensOf } from "./hypotheses.ts";
import type { Limits } from "./limits.ts";
import { translateRequest } from "./request_schemas.ts";
import { createValidator } from "./validation.ts";

/** POST /v1/translate: texts of any length, split into sentences and joined again. */
export function createTranslate(limits: Limits): Endpoint {
  const request = translateRequest(limits);
  const validate = createValidator(request, limits.max_texts);
  return {
    path: "/v1/translate",
    name: "Translate",
    summary: "Translate one text or several",
    description:
      "A text is split into sentences, and their translations are joined with the white space " +
      "between them. The texts of a request run together and share the decoder's steps.",
    request,
    answer: translateAnswer,
    example: {
      request: { text: "Guten Morgen!", beam: 5 },
      answer: {
        model: "de-en",
        translations: [
          {
            text: "Good morning!",
            sentences: [
              {
                source: "Guten Morgen!",
                hypotheses: [{ text: "Good morning!", score: -0.21 }],
              },
            ],
          },
        ],
        timing: { queue_ms: 0, total_ms: 31 },
      },
    },
    streams: true,
    prepare(body) {
      const { model, text, stream, token_scores, alignments, ...search } = validate(body);
      const detail = { token_scores, alignments };
      return {
        model,
        stream,
        async run(call) {
          const { translator, signal, onPartial } = call;
          const translate = async (each: string, index: number) =>
            await translator.translate(each, {
              ...search,
              alignments,
              signal,
              onPartial: onPartial && ((partial) => onPartial(index, partial)),
            });
          const results = await allOf(call, text, "text", translate);
          const translations = results.map(({ text, sentences }) => ({
            text,
            sentences: sentences.map((each) => sentenceAnswer(each, detail)),
          }));
          const tokens = results.reduce((sum, { sentences }) => sum + tokensOf(sentences), 0);
          return { answer: { translations }, tokens };
        },
      };
    },
  };
}

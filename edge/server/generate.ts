import { generateAnswer } from "./answer_schemas.ts";
import type { Endpoint } from "./endpoint.ts";
import { sentenceAnswer, tokensOf } from "./hypotheses.ts";
import type { Limits } from "./limits.ts";
import { generateRequest } from "./request_schemas.ts";
import { createValidator } from "./validation.ts";

/** POST /v1/generate: one sentence as it is, by search or by sampling. */
export function createGenerate(limits: Limits): Endpoint {
  const request = generateRequest(limits);
  const validate = createValidator(request, limits.max_texts);
  return {
    path: "/v1/generate",
    name: "Generate",
    summary: "List the best outputs for one sentence, or draw some at random",
    description: "The text is taken as one sentence and not split.",
    request,
    answer: generateAnswer,
    example: {
      request: { text: "Guten Morgen!", nbest: 2, sampling: { topk: 10, seed: 7 } },
      answer: {
        model: "de-en",
        source: "Guten Morgen!",
        hypotheses: [
          { text: "Good morning!", score: -0.21 },
          { text: "Morning!", score: -0.74 },
        ],
        timing: { queue_ms: 0, total_ms: 28 },
      },
    },
    streams: true,
    prepare(body) {
      const { model, text, stream, token_scores, alignments, ...search } = validate(body);
      return {
        model,
        stream,
        async run({ translator, signal, onPartial }) {
          const result = await translator.generate(text, {
            ...search,
            alignments,
            signal,
            onPartial: onPartial && ((partial) => onPartial(0, partial)),
          });
          const answer = sentenceAnswer(result, { token_scores, alignments });
          return { answer, tokens: tokensOf([result]) };
        },
      };
    },
  };
}

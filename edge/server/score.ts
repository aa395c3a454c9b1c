import { allOf } from "./all_of.ts";
import { scoreAnswer } from "./answer_schemas.ts";
import type { Endpoint } from "./endpoint.ts";
import { hypothesisAnswer } from "./hypotheses.ts";
import type { Limits } from "./limits.ts";
import { scoreRequest } from "./request_schemas.ts";
import { createValidator } from "./validation.ts";

/** POST /v1/score: how likely a model finds given outputs. */
export function createScore(limits: Limits): Endpoint {
  const request = scoreRequest(limits);
  const validate = createValidator(request, limits.max_texts);
  return {
    path: "/v1/score",
    name: "Score",
    summary: "Score given outputs",
    description: "The score is the mean log-probability (natural) of the target's tokens.",
    request,
    answer: scoreAnswer,
    example: {
      request: { source: "Guten Morgen!", target: "Good morning!", token_scores: true },
      answer: {
        model: "de-en",
        scores: [
          {
            text: "Good morning!",
            score: -0.2,
            tokens: [
              { token: "Good", score: -0.3 },
              { token: "morning!", score: -0.2 },
              { token: "</s>", score: -0.1 },
            ],
          },
        ],
        timing: { queue_ms: 0, total_ms: 9 },
      },
    },
    streams: false,
    prepare(body) {
      const { model, source, target, token_scores, alignments } = validate(body);
      const targets = [target].flat();
      return {
        model,
        stream: false,
        async run(call) {
          const { translator, signal } = call;
          const results = await allOf(call, source, "source", async (each, index) => {
            return await translator.score(each, targets[index], { alignments, signal });
          });
          const scores = results.map((each) =>
            hypothesisAnswer(each, { token_scores, alignments }),
          );
          // Nothing is produced here: the tokens were given.
          return { answer: { scores }, tokens: 0 };
        },
      };
    },
  };
}

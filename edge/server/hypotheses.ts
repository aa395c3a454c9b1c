// Results of the translator as they are answered: tokens and alignments only where asked for.
import type { HypothesisResult, SentenceResult } from "../runtime/translator.ts";
import type { HypothesisAnswer } from "./answer_schemas.ts";

/** The fields of a request that choose what is told of a hypothesis. */
export interface Detail {
  readonly token_scores: boolean;
  readonly alignments: boolean;
}

export function hypothesisAnswer(
  { text, score, tokens, alignment }: HypothesisResult,
  { token_scores, alignments }: Detail,
): HypothesisAnswer {
  return {
    text,
    score,
    ...(token_scores && { tokens: tokens.map(({ token, score }) => ({ token, score })) }),
    ...(alignments &&
      alignment && {
        alignment: {
          source: [...alignment.source],
          weights: alignment.weights.map((row) => [...row]),
        },
      }),
  };
}

export function sentenceAnswer({ source, hypotheses }: SentenceResult, detail: Detail) {
  return { source, hypotheses: hypotheses.map((each) => hypothesisAnswer(each, detail)) };
}

/** Output tokens of the best hypotheses. */
export function tokensOf(sentences: readonly SentenceResult[]): number {
  return sentences.reduce((sum, { hypotheses: [best] }) => sum + (best?.tokens.length ?? 0), 0);
}

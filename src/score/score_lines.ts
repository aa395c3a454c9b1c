import { UserError } from "../config/user_error.ts";
import { TokenBleu } from "./token_bleu.ts";
import { WordIds } from "./word_ids.ts";

/** How `weft score` counts fairseq's BLEU: fairseq-score's flags. */
export interface ScoreOptions {
  /** Highest n-gram order of fairseq's BLEU, 1 to 4. */
  readonly order?: number;
  readonly ignoreCase?: boolean;
  /** The BLEU of each sentence, orders 2 to 4 starting at 1 of 1. */
  readonly sentenceBleu?: boolean;
}

/**
 * fairseq's BLEU of hypotheses and as many references: one line for the corpus, or one per sentence,
 * "0 BLEU4 = ...".
 *
 * @throws UserError for an order that is not 1 to 4.
 */
export function* scoreLines(
  hypotheses: readonly string[],
  references: readonly string[],
  { order = 4, ignoreCase = false, sentenceBleu = false }: ScoreOptions = {},
): Generator<string> {
  requireOrder(order);
  const words = new WordIds();
  // The hypothesis comes first, as in fairseq: it numbers the words.
  const encode = (line: string) => words.encode(ignoreCase ? line.toLowerCase() : line);
  const corpus = new TokenBleu({ order });
  for (const [i, line] of hypotheses.entries()) {
    const hypothesis = encode(line);
    const reference = encode(references[i]);
    if (sentenceBleu) {
      const sentence = new TokenBleu({ order, smoothed: true });
      sentence.addTokens(reference, hypothesis);
      yield `${i} ${sentence.result()}`;
    } else corpus.addTokens(reference, hypothesis);
  }
  if (!sentenceBleu) yield corpus.result();
}

function requireOrder(order: number): void {
  if (Number.isInteger(order) && order >= 1 && order <= 4) return;
  throw new UserError({
    place: "--order",
    problem: `there are no n-grams of order ${order} in this score`,
    remedy: "give a whole number from 1 to 4",
  });
}

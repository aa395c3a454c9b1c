import { UserError } from "../config/user_error.ts";
import { formatBleu, SacreBleu } from "./sacre_bleu.ts";
import { TokenBleu } from "./token_bleu.ts";
import { WordIds } from "./word_ids.ts";

/** `weft score`: fairseq-score's flags. */
export interface ScoreOptions {
  /** Highest n-gram order of fairseq's BLEU, 1 to 4. */
  readonly order?: number;
  readonly ignoreCase?: boolean;
  /** sacreBLEU's corpus BLEU instead, on text that is not tokenised. */
  readonly sacrebleu?: boolean;
  /** fairseq's BLEU of each sentence, orders 2 to 4 starting at 1 of 1. */
  readonly sentenceBleu?: boolean;
}

/**
 * What `weft score` prints of hypotheses and their references: one line for the corpus (and sacreBLEU's
 * signature below it), or one per sentence, "0 BLEU4 = ...".
 *
 * @throws UserError if the two have different numbers of lines, or for an order that is not 1 to 4.
 */
export function* scoreLines(
  hypotheses: readonly string[],
  references: readonly string[],
  { order = 4, ignoreCase = false, sacrebleu = false, sentenceBleu = false }: ScoreOptions = {},
): Generator<string> {
  requireOrder(order);
  requireSameLength(hypotheses.length, references.length);
  if (sacrebleu) {
    const bleu = new SacreBleu({ lowercase: ignoreCase });
    for (const [i, hypothesis] of hypotheses.entries()) bleu.add(hypothesis, [references[i]]);
    yield formatBleu(bleu.score());
    yield bleu.signature();
    return;
  }
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

function requireSameLength(hypotheses: number, references: number): void {
  if (hypotheses === references) return;
  throw new UserError({
    place: `line ${Math.min(hypotheses, references) + 1}`,
    problem: `there are ${hypotheses} hypotheses but ${references} references`,
    remedy: "give two files whose lines belong together one by one",
  });
}

import { type BleuTokenizer, tokenizers } from "./tokenizers.ts";

/** How fairseq prepares a line before it counts words, in this order. */
export interface EvaluationText {
  readonly tokenizer: BleuTokenizer;
  readonly removePunctuation?: boolean;
  /** Every character a token; spaces become U+2581. */
  readonly charLevel?: boolean;
  readonly lowercase?: boolean;
}

const onlyPunctuation = /^\p{P}*$/u;

export function evaluationText(line: string, settings: EvaluationText): string {
  let text = tokenizers[settings.tokenizer](line);
  if (settings.removePunctuation) {
    const words = text.split(" ").filter((word) => !onlyPunctuation.test(word));
    text = words.join(" ");
  }
  if (settings.charLevel) text = [...text.replaceAll(" ", "\u2581")].join(" ");
  return settings.lowercase ? text.toLowerCase() : text;
}

import { WHITE_SPACE } from "../white_space.ts";

const runs = new RegExp(`[${WHITE_SPACE}]+`, "g");

/** Text to words and back: `--tokenizer`. */
export interface Tokenizer {
  /** Words separated by single spaces. */
  encode(text: string): string;
  /** Text as people write it. */
  decode(tokens: string): string;
}

/** `--tokenizer space`: runs of white space become one space; decoding changes nothing. */
export const spaceTokenizer: Tokenizer = {
  encode: (text) => text.replace(runs, " "),
  decode: (tokens) => tokens,
};

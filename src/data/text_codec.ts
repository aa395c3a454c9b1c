import type { SubwordNmt } from "./bpe/subword_nmt.ts";
import type { Tokenizer } from "./tokenizer/space_tokenizer.ts";

/** Raw text to a model's pieces and back. */
export interface TextCodec {
  encode(text: string): string;
  decode(pieces: string): string;
}

/** Text is tokenised, then cut into pieces; output goes the other way. What is not given changes nothing. */
export function textCodecOf(
  tokenizer: Tokenizer | undefined,
  bpe: SubwordNmt | undefined,
): TextCodec {
  return {
    encode(text) {
      const words = tokenizer ? tokenizer.encode(text) : text;
      return bpe ? bpe.processLine(words) : words;
    },
    decode(pieces) {
      const words = bpe ? bpe.decode(pieces) : pieces;
      return tokenizer ? tokenizer.decode(words) : words;
    },
  };
}

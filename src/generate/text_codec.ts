import type { TextCodecConfig } from "../config/schemas/text_codec.ts";
import { UserError } from "../config/user_error.ts";
import { SubwordNmt } from "../data/bpe/subword_nmt.ts";
import { readTextLines } from "../data/text_lines.ts";
import { spaceTokenizer } from "../data/tokenizer/space_tokenizer.ts";

/** Raw text to a model's pieces and back. */
export interface TextCodec {
  encode(text: string): string;
  decode(pieces: string): string;
}

/**
 * What --tokenizer and --bpe ask for. Text is tokenised, then cut into pieces; output goes the
 * other way.
 *
 * @throws UserError if --bpe lacks its codes.
 */
export function textCodec(config: TextCodecConfig): TextCodec {
  const tokenizer = config.tokenizer === "space" ? spaceTokenizer : undefined;
  const bpe = config.bpe === undefined ? undefined : openBpe(config);
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

const CODES = "give --bpe-codes the file that weft bpe learn wrote";

function openBpe({ bpe_codes: path, bpe_separator: separator }: TextCodecConfig): SubwordNmt {
  if (path !== undefined) {
    return new SubwordNmt(readTextLines(path, CODES).join("\n"), path, { separator });
  }
  throw new UserError({
    place: "--bpe subword_nmt",
    problem: "the codes are not given",
    remedy: "add --bpe-codes FILE",
  });
}

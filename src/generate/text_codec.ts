import type { TextCodecConfig } from "../config/schemas/text_codec.ts";
import { UserError } from "../config/user_error.ts";
import { SubwordNmt } from "../data/bpe/subword_nmt.ts";
import { type TextCodec, textCodecOf } from "../data/text_codec.ts";
import { readTextLines } from "../data/text_lines.ts";
import { tokenizers } from "../data/tokenizer/tokenizers.ts";

/**
 * What --tokenizer and --bpe ask for. Text is tokenised, then cut into pieces; output goes the
 * other way.
 *
 * @throws UserError if --bpe lacks its codes.
 */
export function textCodec(config: TextCodecConfig): TextCodec {
  const tokenizer = config.tokenizer && tokenizers[config.tokenizer];
  const codes = bpeCodes(config);
  const { bpe_separator: separator } = config;
  return textCodecOf(tokenizer, codes && new SubwordNmt(codes.text, codes.path, { separator }));
}

const CODES = "give --bpe-codes the file that weft bpe learn wrote";

/** The codes that --bpe cuts words by; undefined if it is not given. @throws UserError if they are missing. */
export function bpeCodes({
  bpe,
  bpe_codes: path,
}: TextCodecConfig): { readonly path: string; readonly text: string } | undefined {
  if (bpe === undefined && path !== undefined) {
    throw new UserError({
      place: `--bpe-codes ${path}`,
      problem: "nothing is cut by them",
      remedy: "add --bpe subword_nmt, or leave the codes out",
    });
  }
  if (bpe === undefined) return undefined;
  if (path !== undefined) return { path, text: readTextLines(path, CODES).join("\n") };
  throw new UserError({
    place: "--bpe subword_nmt",
    problem: "the codes are not given",
    remedy: "add --bpe-codes FILE",
  });
}

import { UserError } from "../../config/user_error.ts";
import { strip, stripEnd } from "../white_space.ts";

/** The names `--post-process` and `--remove-bpe` accept. */
export const POST_PROCESS_MODES = [
  "subword_nmt",
  "@@ ",
  "@@",
  "sentencepiece",
  "wordpiece",
  "letter",
  "silence",
  "_EOW",
  "none",
] as const;

/**
 * Joins the pieces of a sentence to words: fairseq's `--post-process` / `--remove-bpe`.
 *
 * @param mode one of POST_PROCESS_MODES; undefined leaves the sentence as it is.
 * @throws UserError for any other mode.
 */
export function postProcess(sentence: string, mode?: string): string {
  switch (mode) {
    case undefined:
    case "none":
      return sentence;
    case "sentencepiece":
      return joinAt(sentence, "\u2581");
    case "wordpiece":
      return joinAt(sentence, "_");
    case "letter":
      return joinAt(sentence, "|");
    case "_EOW":
      return joinAt(sentence, "_EOW");
    case "silence":
      return strip(sentence.replaceAll("<SIL>", "").replace(/ +/g, " "));
    case "subword_nmt":
    case "@@ ":
      // The added space lets a sentence that ends in a joined piece lose its mark too.
      return stripEnd(`${sentence} `.replaceAll("@@ ", ""));
    case "@@":
      return stripEnd(`${sentence} `.replaceAll("@@", ""));
    default:
      throw new UserError({
        place: "--post-process",
        problem: `${JSON.stringify(mode)} is not a known way of joining pieces`,
        remedy: `use one of ${POST_PROCESS_MODES.map((m) => JSON.stringify(m)).join(", ")}`,
      });
  }
}

/** Pieces are glued together; `mark` stands where a space was. */
const joinAt = (sentence: string, mark: string): string =>
  strip(sentence.replaceAll(" ", "").replaceAll(mark, " "));

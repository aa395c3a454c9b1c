import { readFileSync } from "node:fs";
import { UserError } from "../config/user_error.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * The lines of a UTF-8 text file without their ends. LF, CR and CRLF end a line and nothing else
 * does (Python's universal newlines).
 *
 * @param remedy for a file that cannot be read: where its name comes from.
 * @throws UserError if the file cannot be read, or naming the line that is not UTF-8.
 */
export function readTextLines(
  path: string,
  remedy = "check the path; the texts of a corpus are PREFIX.LANGUAGE, e.g. corpus/train.en",
): string[] {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new UserError({
      place: path,
      problem: `the text cannot be read (${(cause as Error).message})`,
      remedy,
    });
  }
  return splitLines(decodeUtf8(bytes, path));
}

/** Text cut at LF, CR and CRLF; the last line need not end. */
export function splitLines(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

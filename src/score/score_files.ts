import { readFileSync } from "node:fs";
import { readTextLines, splitLines } from "../data/text_lines.ts";
import { decodeUtf8 } from "../data/utf8.ts";
import { type ScoreOptions, scoreLines } from "./score_lines.ts";

/** The two files to compare. */
export interface ScoreFiles extends ScoreOptions {
  /** Hypotheses, a line each; "-" is standard input. */
  readonly sys: string;
  readonly ref: string;
}

/**
 * The lines that `weft score` prints.
 *
 * @throws UserError if a file cannot be read, is not UTF-8, or has another number of lines than the other.
 */
export async function* scoreFiles({ sys, ref, ...options }: ScoreFiles): AsyncIterable<string> {
  const hypotheses =
    sys === "-" ? splitLines(decodeUtf8(readFileSync(0), "standard input")) : readTextLines(sys);
  yield* scoreLines(hypotheses, readTextLines(ref), options);
}

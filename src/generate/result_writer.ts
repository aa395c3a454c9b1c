import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../config/user_error.ts";

/** Where lines of results go. */
export interface ResultWriter {
  /** The file written to, if it is one. */
  readonly path: string | undefined;
  line(text: string): void;
  close(): void;
}

/** Written to the file in pieces of about this many characters. */
const PIECE = 2 ** 16;

/**
 * `--results-path`: a file in that folder, which is made if it is not there; without, the terminal.
 *
 * @throws UserError if the file cannot be written.
 */
export function resultWriter(
  folder: string | undefined,
  name: string,
  terminal: { line(text: string): void },
): ResultWriter {
  if (folder === undefined) {
    return { path: undefined, line: (text) => terminal.line(text), close() {} };
  }
  const path = join(folder, name);
  const attempt = <T>(act: () => T): T => {
    try {
      return act();
    } catch (cause) {
      throw new UserError({
        place: path,
        problem: `it cannot be written (${(cause as Error).message})`,
        remedy: "give --results-path a folder that can be written to, with room left",
      });
    }
  };
  const descriptor = attempt(() => {
    mkdirSync(folder, { recursive: true });
    return openSync(path, "w");
  });
  let waiting = "";
  const flush = (): void => {
    const bytes = new TextEncoder().encode(waiting);
    waiting = "";
    for (let done = 0; done < bytes.length; ) {
      done += attempt(() => writeSync(descriptor, bytes, done));
    }
  };
  return {
    path,
    line(text) {
      waiting += `${text}\n`;
      if (waiting.length > PIECE) flush();
    },
    close() {
      try {
        flush();
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

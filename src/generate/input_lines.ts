import { createReadStream } from "node:fs";
import process from "node:process";
import { UserError } from "../config/user_error.ts";
import { CARRIAGE_RETURN, decodeUtf8, LINE_FEED } from "../data/utf8.ts";
import { strip } from "../data/white_space.ts";

/**
 * Lines of a file or of standard input ("-") as they arrive, without the white space around them.
 * LF, CR and CRLF end a line.
 *
 * @throws UserError naming the line that is not UTF-8, or the file that cannot be read.
 */
export async function* inputLines(path: string): AsyncGenerator<string> {
  const place = path === "-" ? "standard input" : path;
  const stream: AsyncIterable<Uint8Array> = path === "-" ? process.stdin : createReadStream(path);
  let number = 1;
  try {
    for await (const bytes of cutLines(stream)) {
      yield strip(decodeUtf8(bytes, place, number));
      number++;
    }
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError({
      place,
      problem: `it cannot be read (${(cause as Error).message})`,
      remedy: "give --input a text file, or - for standard input",
    });
  }
}

/** The bytes of each line without its end, as soon as it is there. */
export async function* cutLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let begun: Uint8Array[] = [];
  let afterReturn = false;
  const finish = (last: Uint8Array): Uint8Array => {
    const line = begun.length === 0 ? last : concatBytes([...begun, last]);
    begun = [];
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (byte === LINE_FEED && afterReturn && i === start)
        start++; // the second half of CRLF
      else if (byte === LINE_FEED || byte === CARRIAGE_RETURN) {
        yield finish(chunk.subarray(start, i));
        start = i + 1;
      }
      afterReturn = byte === CARRIAGE_RETURN;
    }
    if (start < chunk.length) begun.push(chunk.slice(start));
  }
  if (begun.length > 0) yield finish(new Uint8Array(0));
}

function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The lines in groups of `size`, the last one smaller; a group is given out when it is full. */
export async function* inGroups(
  lines: AsyncIterable<string>,
  size: number,
): AsyncGenerator<string[]> {
  let group: string[] = [];
  for await (const line of lines) {
    group.push(line);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

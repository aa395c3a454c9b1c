// Byte ranges of whole lines, so that a large text is worked on piece by piece and by several workers.
import { isUtf8 } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { UserError } from "../config/user_error.ts";
import { CARRIAGE_RETURN, invalidUtf8, LINE_FEED, lineEnds } from "./utf8.ts";

export interface LineRange {
  path: string;
  start: number;
  end: number;
}

/** Cuts a text file into ranges of about `bytes` bytes that begin at line starts. */
export function lineRanges(path: string, bytes: number): LineRange[] {
  return withFile(path, (descriptor) => {
    const size = fstatSync(descriptor).size;
    const ranges: LineRange[] = [];
    for (let start = 0; start < size; ) {
      const end = nextLineStart(descriptor, start + bytes, size);
      ranges.push({ path, start, end });
      start = end;
    }
    return ranges;
  });
}

/**
 * The bytes of a range.
 *
 * @throws UserError naming file and line if they are not UTF-8.
 */
export function readRange({ path, start, end }: LineRange): Uint8Array {
  return withFile(path, (descriptor) => {
    const bytes = readAt(descriptor, start, end - start);
    if (isUtf8(bytes)) return bytes;
    // Only now is the number of the range's first line worth counting.
    let firstLine = 1;
    for (const _ of lineEnds(readAt(descriptor, 0, start))) firstLine++;
    throw invalidUtf8(bytes, path, firstLine);
  });
}

/** Lines of a text file, an unfinished last one included. */
export function countLines(path: string): number {
  let lines = 0;
  for (const range of lineRanges(path, 1 << 22)) {
    withFile(path, (descriptor) => {
      for (const _ of lineEnds(readAt(descriptor, range.start, range.end - range.start))) lines++;
    });
  }
  return lines;
}

function nextLineStart(descriptor: number, from: number, size: number): number {
  for (let at = from; at < size; at += WINDOW) {
    // One byte more, to see a line feed behind a carriage return.
    const bytes = readAt(descriptor, at, Math.min(WINDOW + 1, size - at));
    for (let i = 0; i < Math.min(WINDOW, bytes.length); i++) {
      if (bytes[i] === LINE_FEED) return at + i + 1;
      if (bytes[i] === CARRIAGE_RETURN) return at + i + (bytes[i + 1] === LINE_FEED ? 2 : 1);
    }
  }
  return size;
}

const WINDOW = 1 << 16;

function readAt(descriptor: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = readSync(descriptor, bytes, done, length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return bytes.subarray(0, done);
}

function withFile<T>(path: string, use: (descriptor: number) => T): T {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (cause) {
    throw new UserError({
      place: path,
      problem: `the text cannot be read (${(cause as Error).message})`,
      remedy: "check the path: text files are PREFIX.LANGUAGE, e.g. corpus/train.en",
    });
  }
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

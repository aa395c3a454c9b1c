import { UserError } from "../config/user_error.ts";

// ignoreBOM keeps a byte order mark as a character, as Python's utf-8 codec does.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Text of UTF-8 bytes; a byte order mark stays.
 *
 * @param place the file's path, for errors.
 * @param firstLine number of the line that `bytes` begins with.
 * @throws UserError naming place and line of the first invalid byte.
 */
export function decodeUtf8(bytes: Uint8Array, place: string, firstLine = 1): string {
  try {
    return strict.decode(bytes);
  } catch {
    throw invalidUtf8(bytes, place, firstLine);
  }
}

/** The error for bytes that are known not to be UTF-8; finds the line. */
export function invalidUtf8(bytes: Uint8Array, place: string, firstLine = 1): UserError {
  let line = firstLine;
  let start = 0;
  for (const end of lineEnds(bytes)) {
    try {
      strict.decode(bytes.subarray(start, end));
    } catch {
      break;
    }
    start = end;
    line++;
  }
  return new UserError({
    place: `${place}:${line}`,
    problem: "the line is not valid UTF-8",
    remedy: "convert the file to UTF-8, e.g. with iconv -f ISO-8859-1 -t UTF-8",
  });
}

/** Where each line of the bytes ends (after its line feed, carriage return, or both). */
export function* lineEnds(bytes: Uint8Array): Generator<number> {
  const size = bytes.length;
  for (let i = 0; i < size; i++) {
    const byte = bytes[i];
    if (byte === LINE_FEED || (byte === CARRIAGE_RETURN && bytes[i + 1] !== LINE_FEED)) yield i + 1;
  }
  const last = bytes[size - 1];
  if (size > 0 && last !== LINE_FEED && last !== CARRIAGE_RETURN) yield size;
}

export const LINE_FEED = 10;
export const CARRIAGE_RETURN = 13;

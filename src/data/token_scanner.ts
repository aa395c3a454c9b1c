// Finds words and lines in UTF-8 bytes without making strings of them: preprocessing spends its time
// here. Words end at Python's white space (see white_space.ts); lines at LF, CR and CRLF.
import { CARRIAGE_RETURN, LINE_FEED } from "./utf8.ts";

export interface TokenSink {
  /** A word lies at [start, end); `hash` is hashBytes() of it. */
  token(start: number, end: number, hash: number): void;
  /** A line ended, or the last one did without a line end. */
  line(): void;
}

const ORDINARY = 0;
const WHITE = 1;
const LINE_END = 2;
const MAYBE_WHITE = 3;

const classes = new Uint8Array(256);
for (const byte of [0x09, 0x0b, 0x0c, 0x1c, 0x1d, 0x1e, 0x1f, 0x20]) classes[byte] = WHITE;
for (const byte of [LINE_FEED, CARRIAGE_RETURN]) classes[byte] = LINE_END;
for (const lead of [0xc2, 0xe1, 0xe2, 0xe3]) classes[lead] = MAYBE_WHITE;

const HASH_START = 0x811c9dc5 | 0;
const HASH_FACTOR = 0x01000193;

/** FNV-1a, as a signed 32-bit number. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_START;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), HASH_FACTOR);
  return hash;
}

/** Walks over whole lines of valid UTF-8. */
export function scanTokens(bytes: Uint8Array, sink: TokenSink): void {
  const size = bytes.length;
  let start = -1;
  let hash = HASH_START;
  let inLine = false;
  for (let i = 0; i < size; ) {
    const byte = bytes[i] ?? 0;
    const kind = classes[byte] ?? ORDINARY;
    let white = kind === ORDINARY ? 0 : 1;
    if (kind === MAYBE_WHITE) white = wideWhiteSpace(bytes, i);
    if (white === 0) {
      if (start < 0) {
        start = i;
        hash = HASH_START;
      }
      hash = Math.imul(hash ^ byte, HASH_FACTOR);
      inLine = true;
      i++;
      continue;
    }
    if (start >= 0) {
      sink.token(start, i, hash);
      start = -1;
    }
    i += white;
    if (kind === LINE_END) {
      if (byte === CARRIAGE_RETURN && bytes[i] === LINE_FEED) i++;
      sink.line();
      inLine = false;
    } else {
      inLine = true;
    }
  }
  if (start >= 0) sink.token(start, size, hash);
  if (inLine) sink.line();
}

/** Bytes of the white-space character beyond ASCII at `i`, or 0 if another one stands there. */
function wideWhiteSpace(bytes: Uint8Array, i: number): number {
  const second = bytes[i + 1] ?? 0;
  const third = bytes[i + 2] ?? 0;
  switch (bytes[i]) {
    case 0xc2: // U+0085, U+00A0
      return second === 0x85 || second === 0xa0 ? 2 : 0;
    case 0xe1: // U+1680
      return second === 0x9a && third === 0x80 ? 3 : 0;
    case 0xe2: // U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F
      if (second === 0x81) return third === 0x9f ? 3 : 0;
      if (second !== 0x80) return 0;
      return third <= 0x8a || third === 0xa8 || third === 0xa9 || third === 0xaf ? 3 : 0;
    default: // U+3000
      return second === 0x80 && third === 0x80 ? 3 : 0;
  }
}

// A data frame's header back from its bytes: no more of MessagePack than encodeDataHead() writes.
import { BIN_32, BIN_32_BYTES, PAIR } from "./encode_data_head.ts";
import { CODEC, type DataHeader, HEADER_FIELDS, KIND, ProtocolError } from "./frame.ts";
import { readUint } from "./read_uint.ts";

const ARRAY = 0x90 + HEADER_FIELDS.length;

/** Fewest bytes that a header has: every number in one. */
export const MIN_HEADER = 2 + HEADER_FIELDS.length + BIN_32_BYTES;

/** How many bytes follow the tags of whole numbers from 0xcc on. */
const NUMBER_BYTES = [1, 2, 4];

/**
 * @param bytes the header's: at least MIN_HEADER.
 * @param payloadBytes how many follow, as the prefix says.
 * @throws ProtocolError
 */
export function decodeDataHead(bytes: Uint8Array, payloadBytes: number): DataHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length - BIN_32_BYTES;
  const header = decodeHeader(bytes, end);
  if (bytes[end] !== BIN_32 || view.getUint32(end + 1) !== payloadBytes) {
    throw new ProtocolError("a header ends otherwise than with its payload's length");
  }
  return header;
}

/**
 * The first of a pair: a header's numbers.
 * @param end where the second one begins.
 * @throws ProtocolError
 */
export function decodeHeader(bytes: Uint8Array, end: number): DataHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[0] !== PAIR || bytes[1] !== ARRAY) {
    throw new ProtocolError(
      `a header is no array of ${HEADER_FIELDS.length} numbers and a payload`,
    );
  }
  const numbers: number[] = [];
  let at = 2;
  while (numbers.length < HEADER_FIELDS.length) {
    const tag = at < end ? bytes[at] : BIN_32;
    const width = tag < 0x80 ? 0 : NUMBER_BYTES[tag - 0xcc];
    if (width === undefined || at + width >= end) {
      throw new ProtocolError(`a header has no ${HEADER_FIELDS[numbers.length]} below 2^32`);
    }
    numbers.push(width === 0 ? tag : readUint(view, at + 1, width));
    at += 1 + width;
  }
  if (at !== end) throw new ProtocolError("a header ends otherwise than with its payload");
  const [kind, generation, step, piece, slot, codec, checksum] = numbers;
  if (!isOneOf(KIND, kind)) throw new ProtocolError(`a data frame is of the unknown kind ${kind}`);
  if (!isOneOf(CODEC, codec)) throw new ProtocolError(`a payload has the unknown codec ${codec}`);
  return { kind, generation, step, piece, slot, codec, checksum };
}

function isOneOf<T extends number>(table: Record<string, T>, value: number): value is T {
  return Object.values<number>(table).includes(value);
}

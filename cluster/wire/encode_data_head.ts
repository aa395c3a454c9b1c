// What goes ahead of a data frame's payload.
import { Packr } from "msgpackr/pack";
import { type DataHeader, HEADER_FIELDS, MAX_PAYLOAD, PREFIX_BYTES, TYPE } from "./frame.ts";

/** MessagePack's tags of the array of two, and of a binary whose length follows in four bytes. */
export const PAIR = 0x92;
export const BIN_32 = 0xc6;
export const BIN_32_BYTES = 5;

const packr = new Packr({ useRecords: false });

/**
 * The bytes of a data frame before its payload: prefix, header, and the head of the binary that the
 * payload is. From byte 8 on they and the payload are one MessagePack document, [header, payload].
 *
 * @throws RangeError for a header or a payload that no reader takes.
 */
export function encodeDataHead(header: DataHeader, payloadBytes: number): Uint8Array {
  if (!Number.isInteger(payloadBytes) || payloadBytes < 0 || payloadBytes > MAX_PAYLOAD) {
    throw new RangeError(`a payload has 0 to ${MAX_PAYLOAD} bytes, not ${payloadBytes}`);
  }
  const packed = packHeader(header);
  const headerBytes = 1 + packed.length + BIN_32_BYTES;
  const head = new Uint8Array(PREFIX_BYTES + headerBytes);
  const view = new DataView(head.buffer);
  view.setUint32(0, 4 + headerBytes + payloadBytes);
  view.setUint16(4, headerBytes);
  head[6] = TYPE.data;
  head[PREFIX_BYTES] = PAIR;
  head.set(packed, PREFIX_BYTES + 1);
  head[head.length - BIN_32_BYTES] = BIN_32;
  view.setUint32(head.length - 4, payloadBytes);
  return head;
}

/** A header's numbers as an array. @throws RangeError for numbers that no reader takes. */
export const packHeader = (header: DataHeader): Uint8Array =>
  packr.pack(HEADER_FIELDS.map((name) => field(header, name)));

function field(header: DataHeader, name: keyof DataHeader): number {
  const value = header[name];
  if (value >>> 0 !== value)
    throw new RangeError(`${name} is ${value}, no whole number below 2^32`);
  return value;
}

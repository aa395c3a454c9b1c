// Frames between peers on one machine, who read each other's memory: where a payload lies, instead of the payload,
// and that it has been read. Like a control frame, each has no header and one MessagePack document, but of
// a form that nothing needs to unpack:
//
//    type 3   [header as of a data frame, [address u64, bytes u32, epoch u32, ticket u32, check u32]]
//    type 4   [ticket u32, check u32]
//
// check is the CRC-32 of all bytes of the document before it: an accident must not look like another place.
import { crc32 } from "node:zlib";
import { decodeHeader } from "./decode_data_head.ts";
import { PAIR, packHeader } from "./encode_data_head.ts";
import { type DataHeader, MAX_PAYLOAD, PREFIX_BYTES, ProtocolError, TYPE } from "./frame.ts";

export interface Announcement {
  readonly header: DataHeader;
  /** Of the payload in the sender's memory, and how long it is. */
  readonly address: number;
  readonly bytes: number;
  /** Void once the sender is in another one. */
  readonly epoch: number;
  /** To be given back once the sender may use the memory again; 0 if it does not ask. */
  readonly ticket: number;
}

/** Tags of MessagePack: an array of five, whole numbers of eight and four bytes. */
const FIVE = 0x95;
const UINT_64 = 0xcf;
const UINT_32 = 0xce;

const PLACE_BYTES = 1 + 9 + 4 * 5;
const PULLED_BYTES = 1 + 2 * 5;
const CHECK_BYTES = 4;

/** An address of user space: exactly a number, too. */
const MAX_ADDRESS = 2 ** 48;

export function encodeAnnouncement({ header, ...at }: Announcement): Uint8Array {
  const packed = packHeader(header);
  const frame = newFrame(TYPE.announcement, 1 + packed.length + PLACE_BYTES);
  frame[PREFIX_BYTES] = PAIR;
  frame.set(packed, PREFIX_BYTES + 1);
  const place = new DataView(frame.buffer, frame.length - PLACE_BYTES);
  place.setUint8(0, FIVE);
  place.setUint8(1, UINT_64);
  place.setBigUint64(2, BigInt(at.address));
  for (const [i, number] of [at.bytes, at.epoch, at.ticket, 0].entries()) {
    place.setUint8(10 + 5 * i, UINT_32);
    place.setUint32(11 + 5 * i, number);
  }
  return checked(frame);
}

/** @throws ProtocolError */
export function decodeAnnouncement(document: Uint8Array): Announcement {
  const end = document.length - PLACE_BYTES;
  if (end < 1) throw new ProtocolError(`an announcement has ${document.length} bytes`);
  const header = decodeHeader(document, end);
  const place = new DataView(document.buffer, document.byteOffset + end, PLACE_BYTES);
  verify(document);
  const tags = [0, 1, 10, 15, 20, 25].map((at) => place.getUint8(at));
  const expected = [FIVE, UINT_64, UINT_32, UINT_32, UINT_32, UINT_32];
  if (tags.some((tag, i) => tag !== expected[i])) {
    throw new ProtocolError("an announcement ends otherwise than with a place");
  }
  const address = Number(place.getBigUint64(2));
  const [bytes, epoch, ticket] = [11, 16, 21].map((at) => place.getUint32(at));
  if (address >= MAX_ADDRESS) throw new ProtocolError("an announced address is in no memory");
  if (bytes < 1 || bytes > MAX_PAYLOAD) {
    throw new ProtocolError(
      `an announced payload has ${bytes} bytes: 1 to ${MAX_PAYLOAD} are allowed`,
    );
  }
  return { header, address, bytes, epoch, ticket };
}

export function encodePulled(ticket: number): Uint8Array {
  const frame = newFrame(TYPE.pulled, PULLED_BYTES);
  frame.set([PAIR, UINT_32], PREFIX_BYTES);
  new DataView(frame.buffer).setUint32(PREFIX_BYTES + 2, ticket);
  frame[PREFIX_BYTES + 6] = UINT_32;
  return checked(frame);
}

/** @throws ProtocolError */
export function decodePulled(document: Uint8Array): number {
  const isShaped = document[0] === PAIR && document[1] === UINT_32 && document[6] === UINT_32;
  if (document.length !== PULLED_BYTES || !isShaped) {
    throw new ProtocolError("what was read is told otherwise than by a ticket");
  }
  verify(document);
  return new DataView(document.buffer, document.byteOffset).getUint32(2);
}

function newFrame(type: number, documentBytes: number): Uint8Array {
  const frame = new Uint8Array(PREFIX_BYTES + documentBytes);
  new DataView(frame.buffer).setUint32(0, 4 + documentBytes);
  frame[6] = type;
  return frame;
}

/** Writes the check. */
function checked(frame: Uint8Array): Uint8Array {
  const at = frame.length - CHECK_BYTES;
  new DataView(frame.buffer).setUint32(at, crc32(frame.subarray(PREFIX_BYTES, at)));
  return frame;
}

function verify(document: Uint8Array): void {
  const at = document.length - CHECK_BYTES;
  const found = new DataView(document.buffer, document.byteOffset).getUint32(at);
  if (found !== crc32(document.subarray(0, at))) {
    throw new ProtocolError("a damaged frame: the check of an announcement is wrong");
  }
}

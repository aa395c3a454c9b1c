// A frame on the wire. All integers of the prefix are big-endian.
//
//    0        4        6      7       8            8+H            8+H+P
//    | u32    | u16    | u8   | u8    | header     | payload      |
//    | rest   | H      | type | flags | H bytes    | P bytes      |
//
// rest = 4 + H + P; flags = 0. The bytes from 8 on are one MessagePack document: of a control frame
// (type 2) a map, H = 0 and all of it payload; of a data frame (type 1) the array [header, bin 32], whose
// tensor bytes nobody packs or unpacks. Types 3 and 4 are in announcement.ts.

import type { Announcement } from "./announcement.ts";

/** Bytes before the header. */
export const PREFIX_BYTES = 8;

export const TYPE = { data: 1, control: 2, announcement: 3, pulled: 4 } as const;

/** What a data frame carries. */
export const KIND = {
  /** One peer's (or micro-batch's) gradients for a piece, to the piece's owner. */
  contribution: 1,
  /** The sum of a piece, from its owner to everyone. */
  result: 2,
  /** Parameters and moments for a newcomer. */
  state: 3,
} as const;

/** How numbers are written in a payload, little-endian. */
export const CODEC = { f32: 0, bf16: 1, int8: 2, bytes: 3 } as const;

export type Wire = "f32" | "bf16" | "int8";

/** A data frame's header: whole numbers below 2^32. */
export interface DataHeader {
  readonly kind: (typeof KIND)[keyof typeof KIND];
  /** Generation of the membership, and number of the update, that the frame belongs to. */
  readonly generation: number;
  readonly step: number;
  /** Which piece of the flat gradients (or of the state). */
  readonly piece: number;
  /** Whose contribution: rank of the peer, or number of the micro-batch. 0 elsewhere. */
  readonly slot: number;
  readonly codec: (typeof CODEC)[keyof typeof CODEC];
  /** Of the payload. */
  readonly checksum: number;
}

/** The header's numbers in the order of the array. */
export const HEADER_FIELDS = [
  "kind",
  "generation",
  "step",
  "piece",
  "slot",
  "codec",
  "checksum",
] as const satisfies readonly (keyof DataHeader)[];

/** Largest payload of a data frame. */
export const MAX_PAYLOAD = 4 * 2 ** 20;

/** Largest header of a data frame: a msgpack array of seven numbers, with room to spare. */
export const MAX_HEADER = 256;

/** Largest control frame, prefix included: a newcomer's first one is bounded by MAX_HELLO instead. */
export const MAX_CONTROL = 2 ** 20;
export const MAX_HELLO = 2 ** 15;

/** What reads frames tells. Errors thrown by any of these end the connection. */
export interface FrameSink {
  /**
   * Where the payload of a data frame belongs: exactly `bytes` long. Undefined for a frame of the past,
   * whose payload is read and dropped.
   * @throws ProtocolError if such a frame is not due, or its length is not what this side computed.
   */
  place(header: DataHeader, bytes: number): Uint8Array | undefined;
  /** The payload is in its place. */
  arrived(header: DataHeader): void;
  /** A control document: plain data, scanned but not yet checked against a schema. */
  control(document: unknown): void;
  /** A payload may be fetched from the sender's memory. Where this is missing, none are awaited. */
  announced?(announcement: Announcement): void;
  /** The other side has fetched what had this ticket, and all before. */
  pulled?(ticket: number): void;
  /** As Receiver.closed. */
  closed(reason: string | undefined): void;
}

/** Bytes that no honest peer sends. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProtocolError";
  }
}

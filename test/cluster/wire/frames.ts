// Frames for the tests of the wire, and both ends of a connection without a network between them.
import type { Announcement } from "../../../cluster/wire/announcement.ts";
import { encodeDataHead } from "../../../cluster/wire/encode_data_head.ts";
import { CODEC, type DataHeader, type FrameSink, KIND } from "../../../cluster/wire/frame.ts";
import type { FrameReader } from "../../../cluster/wire/frame_reader.ts";

export function header(changes: Partial<DataHeader> = {}): DataHeader {
  return {
    ...{ kind: KIND.contribution, generation: 3, step: 70_000, piece: 5, slot: 2 },
    ...{ codec: CODEC.bf16, checksum: 0xfedcba98, ...changes },
  };
}

/** Bytes that differ from their neighbours. */
export const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255);

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function dataFrame(payload: Uint8Array, changes: Partial<DataHeader> = {}): Uint8Array {
  return concat(encodeDataHead(header(changes), payload.length), payload);
}

/** A control frame around bytes that need not be a document. */
export function rawControl(document: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setUint32(0, 4 + document.length);
  prefix[6] = 2;
  return concat(prefix, document);
}

/** Gives a reader bytes as a transport does. */
export function feed(reader: FrameReader, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const space = reader.space();
    if (space.length === 0) throw new Error("a reader has no space");
    const count = Math.min(space.length, bytes.length - at);
    space.set(bytes.subarray(at, at + count));
    reader.filled(count);
    at += count;
  }
}

/** Notes what a reader tells, in order. */
export class Recorder implements FrameSink {
  readonly heard: unknown[] = [];
  private readonly places = new Map<DataHeader, Uint8Array>();

  constructor(private readonly wanted: (header: DataHeader) => boolean = () => true) {}

  place(header: DataHeader, bytes: number): Uint8Array | undefined {
    if (!this.wanted(header)) {
      this.heard.push({ unwanted: header, bytes });
      return undefined;
    }
    const place = new Uint8Array(bytes);
    this.places.set(header, place);
    return place;
  }

  arrived(header: DataHeader): void {
    this.heard.push({ header, payload: Array.from(this.places.get(header) ?? []) });
  }

  control(document: unknown): void {
    this.heard.push(document);
  }

  announced(announcement: Announcement): void {
    this.heard.push(announcement);
  }

  pulled(ticket: number): void {
    this.heard.push({ ticket });
  }

  closed(reason: string | undefined): void {
    this.heard.push({ closed: reason });
  }
}

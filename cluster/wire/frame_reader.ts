// Frames out of the bytes of one connection, in pieces of whatever size they come.
import type { Receiver } from "../transport/transport.ts";
import { decodeAnnouncement, decodePulled } from "./announcement.ts";
import { decodeControl } from "./decode_control.ts";
import { decodeDataHead, MIN_HEADER } from "./decode_data_head.ts";
import {
  type DataHeader,
  type FrameSink,
  MAX_HEADER,
  MAX_PAYLOAD,
  PREFIX_BYTES,
  ProtocolError,
  TYPE,
} from "./frame.ts";

/**
 * Bytes read at once where a frame begins: small control frames come whole, several together. Of a
 * payload that follows, up to so many bytes are copied; the rest is read into its place.
 */
const INBOX_BYTES = 4096;

/** Where payloads go that nobody wants. Written by all readers, read by none. */
const nowhere = new Uint8Array(65536);

/** A frame whose head has been read. */
interface Frame {
  /** Undefined for a frame that is one document. */
  readonly header: DataHeader | undefined;
  readonly type: number;
  /** Where its payload goes; undefined to drop it. */
  readonly place: Uint8Array | undefined;
  readonly bytes: number;
  /** Of the payload, so far. */
  received: number;
}

/**
 * Reads a connection's frames for a sink. A payload goes straight into the memory that the sink names; of
 * its own the reader holds INBOX_BYTES, and one control document at a time, made only when its length is
 * within the limit. After an error it refuses everything; after closed() it tells nothing more.
 */
export class FrameReader implements Receiver {
  private readonly inbox = new Uint8Array(INBOX_BYTES);
  private readonly inboxView = new DataView(this.inbox.buffer);
  /** The part of the inbox that holds bytes not yet read. */
  private begin = 0;
  private end = 0;
  /** The frame whose payload is under way. */
  private frame: Frame | undefined;
  /** Whether space of a payload was given out that has not been filled yet: bytes may come there any time. */
  private isLent = false;
  private released: (() => void) | undefined;
  private maxControl: number;
  private failure: string | undefined;
  private over = false;

  /** @param limits of a control frame, prefix included, until limitControl() changes it. */
  constructor(
    private readonly sink: FrameSink,
    limits: { readonly maxControl: number },
  ) {
    this.maxControl = limits.maxControl;
  }

  /** From the next frame on: once a peer has introduced itself, its control frames may be larger. */
  limitControl(bytes: number): void {
    this.maxControl = bytes;
  }

  /**
   * The rest of a data frame that is under way goes nowhere, and the sink is not told that it arrived.
   * @param released called once nothing is written to its place any more: now, unless space there was
   *   given out, and then with the next bytes or the end of the connection.
   */
  divert(released: () => void): void {
    if (this.frame?.header) this.frame = { ...this.frame, place: undefined };
    if (this.isLent) this.released = released;
    else released();
  }

  get awaited(): number {
    return this.frame ? this.frame.bytes - this.frame.received : 0;
  }

  space(): Uint8Array {
    this.refuseAfterFailure();
    const { frame } = this;
    if (!frame) return this.inbox.subarray(this.end);
    if (!frame.place) return nowhere.subarray(0, frame.bytes - frame.received);
    this.isLent = frame.header !== undefined;
    return frame.place.subarray(frame.received);
  }

  /** @throws ProtocolError for bytes that no honest peer sends; whatever the sink throws. */
  filled(count: number): void {
    this.release();
    this.refuseAfterFailure();
    if (this.over) return;
    try {
      if (this.frame) this.grow(this.frame, count);
      else {
        this.end += count;
        this.readInbox();
      }
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  closed(reason: string | undefined): void {
    this.release();
    if (this.over) return;
    this.over = true;
    const inside = this.frame !== undefined || this.begin < this.end;
    const ending = inside ? "the connection ended inside a frame" : undefined;
    this.sink.closed(this.failure ?? reason ?? ending);
  }

  private release(): void {
    const { released } = this;
    this.isLent = false;
    this.released = undefined;
    released?.();
  }

  private refuseAfterFailure(): void {
    if (this.failure !== undefined) {
      throw new ProtocolError(`nothing is read after an error (${this.failure})`);
    }
  }

  /** Reads as many frames as the inbox holds. What is left is part of a head, or none. */
  private readInbox(): void {
    while (!this.over && !this.frame) {
      const frame = this.readHead();
      if (!frame) break;
      const here = Math.min(frame.bytes, this.end - this.begin);
      frame.place?.set(this.inbox.subarray(this.begin, this.begin + here));
      this.begin += here;
      this.frame = frame;
      this.grow(frame, here);
    }
    this.inbox.copyWithin(0, this.begin, this.end);
    this.end -= this.begin;
    this.begin = 0;
  }

  /** Takes a frame's head from the inbox; undefined if it is not all there. */
  private readHead(): Frame | undefined {
    const held = this.end - this.begin;
    if (held < PREFIX_BYTES) return undefined;
    const rest = this.inboxView.getUint32(this.begin);
    const headerBytes = this.inboxView.getUint16(this.begin + 4);
    const type = this.inbox[this.begin + 6];
    const flags = this.inbox[this.begin + 7];
    const bytes = rest - 4 - headerBytes;
    if (flags !== 0) throw new ProtocolError(`a frame has the unknown flags ${flags}`);
    if (type === TYPE.control || this.isOfNearPeers(type)) {
      checkDocument(headerBytes, bytes, type === TYPE.control ? this.maxControl : MAX_HEADER);
      this.begin += PREFIX_BYTES;
      return { header: undefined, type, place: new Uint8Array(bytes), bytes, received: 0 };
    }
    if (type !== TYPE.data) throw new ProtocolError(`a frame is of the unknown type ${type}`);
    checkData(headerBytes, bytes);
    const headBytes = PREFIX_BYTES + headerBytes;
    if (held < headBytes) return undefined;
    const head = this.inbox.subarray(this.begin + PREFIX_BYTES, this.begin + headBytes);
    const header = decodeDataHead(head, bytes);
    this.begin += headBytes;
    const place = this.sink.place(header, bytes);
    if (place && place.length !== bytes) {
      throw new RangeError(`a place of ${place.length} bytes for a payload of ${bytes}`);
    }
    return { header, type, place, bytes, received: 0 };
  }

  private isOfNearPeers(type: number): boolean {
    const { announced, pulled } = this.sink;
    return (
      (type === TYPE.announcement && announced !== undefined) ||
      (type === TYPE.pulled && pulled !== undefined)
    );
  }

  /** More of a frame's payload is in its place. */
  private grow(frame: Frame, count: number): void {
    frame.received += count;
    if (frame.received < frame.bytes) return;
    this.frame = undefined;
    const { header, type, place } = frame;
    if (!place) return;
    if (header) this.sink.arrived(header);
    else if (type === TYPE.control) this.sink.control(decodeControl(place));
    else if (type === TYPE.announcement) this.sink.announced?.(decodeAnnouncement(place));
    else this.sink.pulled?.(decodePulled(place));
  }
}

/** @param limit of the frame, prefix included. */
function checkDocument(headerBytes: number, bytes: number, limit: number): void {
  if (headerBytes !== 0) {
    throw new ProtocolError(`a control frame has a header of ${headerBytes} bytes`);
  }
  if (bytes < 1 || PREFIX_BYTES + bytes > limit) {
    throw new ProtocolError(
      `a control document has ${bytes} bytes: 1 to ${limit - PREFIX_BYTES} are allowed`,
    );
  }
}

function checkData(headerBytes: number, bytes: number): void {
  if (headerBytes < MIN_HEADER || headerBytes > MAX_HEADER) {
    throw new ProtocolError(
      `a data frame's header has ${headerBytes} bytes: ${MIN_HEADER} to ${MAX_HEADER} are allowed`,
    );
  }
  if (bytes < 0 || bytes > MAX_PAYLOAD) {
    throw new ProtocolError(
      `a data frame's payload has ${bytes} bytes: 0 to ${MAX_PAYLOAD} are allowed`,
    );
  }
}

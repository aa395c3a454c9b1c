// Texts that may be longer than a control document: they travel as parts of their UTF-8 bytes, which are
// joined before anyone decodes them, so that no part need end where a character does.
import { Buffer } from "node:buffer";
import { ProtocolError } from "./frame.ts";

/** Bytes of a part: well below MAX_CONTROL, so that heartbeats find room between two of them. */
export const PART_BYTES = 2 ** 18;

/** Parts of a text at most. */
export const MAX_PARTS = 256;

/** Bytes of a text at most: 64 MiB. */
export const MAX_TEXT = MAX_PARTS * PART_BYTES;

export interface TextPart {
  /** From 0. */
  readonly part: number;
  /** How many there are. */
  readonly parts: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Bytes that a text takes on the wire. */
export const textBytes = (text: string): number => Buffer.byteLength(text, "utf8");

/** @throws RangeError if the text is longer than MAX_TEXT. */
export function cutText(text: string): TextPart[] {
  const all = new TextEncoder().encode(text);
  if (all.length > MAX_TEXT) {
    throw new RangeError(`a text of ${all.length} bytes: the limit is ${MAX_TEXT}`);
  }
  const parts = Math.max(1, Math.ceil(all.length / PART_BYTES));
  return Array.from({ length: parts }, (_, part) => ({
    ...{ part, parts },
    bytes: all.subarray(part * PART_BYTES, (part + 1) * PART_BYTES),
  }));
}

/** One text whose parts arrive, in any order; a part that comes again changes nothing. */
export class ArrivingText {
  private readonly arrived = new Map<number, Uint8Array>();
  private parts: number | undefined;

  /** @throws ProtocolError if it is no part of this text. */
  add({ part, parts, bytes }: TextPart): void {
    this.parts ??= parts;
    if (parts !== this.parts || part >= parts) {
      throw new ProtocolError(`part ${part} of ${parts} of a text of ${this.parts} parts`);
    }
    if (!this.arrived.has(part)) this.arrived.set(part, bytes);
  }

  get isWhole(): boolean {
    return this.arrived.size === this.parts;
  }

  /** The text, once all of it is there. @throws ProtocolError if it is no UTF-8. */
  get whole(): string | undefined {
    const { arrived, parts = 0 } = this;
    if (!this.isWhole) return undefined;
    const inOrder = Array.from(
      { length: parts },
      (_, part) => arrived.get(part) ?? new Uint8Array(),
    );
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return decoder.decode(Buffer.concat(inOrder));
    } catch {
      throw new ProtocolError("a text that is no UTF-8");
    }
  }
}

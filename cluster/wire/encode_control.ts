// Control frames: documents of plain data between peers.
import { Packr } from "msgpackr/pack";
import { MAX_CONTROL, PREFIX_BYTES, ProtocolError, TYPE } from "./frame.ts";
import { LIMITS, scan } from "./scan.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * A document as one control frame. It holds numbers, strings, booleans, null, arrays, plain objects and
 * Uint8Array views, within scan.ts's LIMITS. -0 arrives as 0.
 *
 * @throws TypeError naming the place of anything else. msgpackr would write it without a word: a
 * Float32Array as one byte for each number and stray memory behind them, undefined as an extension.
 * @throws RangeError if it is beyond the limits, so that the peer would close the connection.
 */
export function encodeControl(document: Record<string, unknown>): Uint8Array {
  checkPlain(document, "document", 1);
  const packed = packr.pack(document);
  const frame = new Uint8Array(PREFIX_BYTES + packed.length);
  if (frame.length > MAX_CONTROL) {
    throw new RangeError(`a control frame of ${frame.length} bytes: the limit is ${MAX_CONTROL}`);
  }
  frame.set(packed, PREFIX_BYTES);
  try {
    scan(frame.subarray(PREFIX_BYTES));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RangeError(error.message, { cause: error });
  }
  new DataView(frame.buffer).setUint32(0, frame.length - 4);
  frame[6] = TYPE.control;
  return frame;
}

function checkPlain(value: unknown, place: string, depth: number): void {
  if (value === null || value instanceof Uint8Array) return;
  if (typeof value === "number" || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value !== "object") throw new TypeError(`${place} is no plain data: ${typeof value}`);
  // Circles end here too.
  if (depth > LIMITS.depth) throw new RangeError(`${place} lies more than ${LIMITS.depth} deep`);
  const entries = Array.isArray(value) ? value.entries() : Object.entries(ownFields(value, place));
  for (const [key, entry] of entries) checkPlain(entry, `${place}.${key}`, depth + 1);
}

function ownFields(value: object, place: string): object {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`${place} is no plain data: ${value.constructor?.name}`);
  }
  return value;
}

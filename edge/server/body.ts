// A request's body, read under suspicion: no more bytes than allowed, no longer than allowed, UTF-8
// throughout. Hono's bodyLimit trusts Content-Length and waits for slow clients without end.
import { startDeadline, within } from "./deadline.ts";
import type { Limits } from "./limits.ts";
import {
  bodyTooLarge,
  brokenUpload,
  encodedBody,
  notJson,
  notUtf8,
  slowUpload,
  tooManyUploads,
  wrongContentType,
} from "./refusals.ts";

/** Reads and parses the JSON of a request. @throws Problem. */
export type ReadJson = (request: Request) => Promise<unknown>;

export function createJsonReader(limits: Limits): ReadJson {
  let uploads = 0;
  return async (request) => {
    requireJson(request.headers);
    if (Number(request.headers.get("content-length")) > limits.max_body_bytes) {
      throw bodyTooLarge(limits.max_body_bytes);
    }
    if (uploads >= limits.max_uploads) throw tooManyUploads(limits.max_uploads);
    uploads++;
    const deadline = startDeadline(limits.upload_deadline, request.signal, slowUpload);
    try {
      return parse(await readBytes(request, limits.max_body_bytes, deadline.signal));
    } finally {
      deadline.end();
      uploads--;
    }
  };
}

const JSON_TYPE = /^application\/json *(; *charset="?utf-?8"?)? *$/i;

function requireJson(headers: Headers): void {
  const type = headers.get("content-type");
  if (type === null || type.length > 100 || !JSON_TYPE.test(type)) throw wrongContentType(type);
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") throw encodedBody(encoding);
}

async function readBytes(
  request: Request,
  most: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  // One buffer that doubles: a million chunks of one byte must not become a million arrays.
  let buffer = new Uint8Array(Math.min(most, 4096));
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await within(readOrFail(reader), signal);
      if (done) return buffer.subarray(0, size);
      if (size + value.length > most) throw bodyTooLarge(most);
      if (size + value.length > buffer.length) {
        const grown = new Uint8Array(Math.min(most, Math.max(size + value.length, 2 * size)));
        grown.set(buffer.subarray(0, size));
        buffer = grown;
      }
      buffer.set(value, size);
      size += value.length;
    }
  } catch (error) {
    // Not awaited: a client that sends nothing would keep us waiting here as well.
    reader.cancel().catch(() => undefined);
    throw error;
  }
}

async function readOrFail(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read();
  } catch {
    throw brokenUpload();
  }
}

function parse(bytes: Uint8Array<ArrayBuffer>): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notUtf8();
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // Also the stack that overflows on a million brackets.
    throw notJson(error instanceof Error ? error.message : String(error));
  }
}

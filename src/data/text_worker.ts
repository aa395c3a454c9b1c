// Entry point of a preprocessing worker; see text_workers.ts for the other side.
import { UserError } from "../config/user_error.ts";
import type { LineRange } from "./line_ranges.ts";
import { countWords, type EncodeSettings, lineEncoder } from "./text_task.ts";
import type { TextReply, TextRequest } from "./text_workers.ts";

declare const self: {
  onmessage: ((event: MessageEvent<TextRequest>) => void) | null;
  postMessage(reply: TextReply, transfer?: Transferable[]): void;
};

let encode: ReturnType<typeof lineEncoder> | undefined;

self.onmessage = ({ data }) => {
  try {
    if (data.kind === "prepare") prepare(data.settings);
    else answer(data.kind, data.range);
  } catch (error) {
    const detail =
      error instanceof UserError
        ? { user: error.detail }
        : { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    self.postMessage({ kind: "failed", ...detail });
  }
};

function prepare(settings: EncodeSettings): void {
  encode = lineEncoder(settings);
}

function answer(kind: "count" | "encode", range: LineRange): void {
  if (kind === "count") {
    self.postMessage({ kind: "counted", result: countWords(range) });
    return;
  }
  if (!encode) throw new Error("asked to encode before the vocabulary was sent");
  const result = encode(range);
  const transfer = [result.elements.buffer, result.sizes.buffer] as Transferable[];
  self.postMessage({ kind: "encoded", result }, transfer);
}

import { expect, test } from "bun:test";
import { message } from "../../../cluster/membership/messages.ts";
import { decodeControl } from "../../../cluster/wire/decode_control.ts";
import { encodeControl } from "../../../cluster/wire/encode_control.ts";
import { PREFIX_BYTES } from "../../../cluster/wire/frame.ts";
import { ArrivingText, cutText, MAX_TEXT, PART_BYTES } from "../../../cluster/wire/text_parts.ts";

test("a text's parts make it again, wherever they cut its characters, in any order", () => {
  for (const unit of ["a", "д", "语", "😀", "a😀語"]) {
    for (const text of ["", unit, `\ufeffx${unit.repeat(PART_BYTES / 2)}`]) {
      const parts = cutText(text);
      const arriving = new ArrivingText();
      for (const part of [...parts.slice(1), parts[0]].reverse()) {
        const frame = encodeControl({ t: "record", generation: 1, ...part });
        const parsed = message.parse(decodeControl(frame.subarray(PREFIX_BYTES)));
        if (parsed.t !== "record") throw new Error(parsed.t);
        arriving.add(parsed);
        arriving.add(parsed);
      }
      expect(arriving.whole === text).toBe(true);
    }
  }
});

test("a text is not whole while a part is missing, and has no parts of another one", () => {
  const [first, second] = cutText("x".repeat(PART_BYTES + 1));
  const arriving = new ArrivingText();
  expect(arriving.whole).toBeUndefined();
  arriving.add(second);
  expect(arriving.whole).toBeUndefined();
  expect(() => arriving.add({ ...first, parts: 3 })).toThrow("part 0 of 3 of a text of 2 parts");
  expect(() => arriving.add({ ...first, part: 2 })).toThrow("part 2 of 2");
  arriving.add({ ...first, bytes: new Uint8Array([0xff]) });
  expect(() => arriving.whole).toThrow("no UTF-8");
});

test("a text beyond the limit is not cut", () => {
  expect(() => cutText("x".repeat(MAX_TEXT + 1))).toThrow(`the limit is ${MAX_TEXT}`);
});

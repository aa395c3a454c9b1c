import { expect, test } from "bun:test";
import fc from "fast-check";
import { LinePrefix } from "../../../cluster/launch/line_prefix.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (pieces: readonly Uint8Array[]): string =>
  new TextDecoder().decode(Buffer.concat(pieces));

test("LinePrefix gives out every line whole, after its prefix, however the bytes come", () => {
  const line = fc.string({ unit: fc.constantFrom("a", "é", "\r", "€", " "), maxLength: 5 });
  fc.assert(
    fc.property(fc.array(line), line, fc.array(fc.nat(7)), (lines, last, cuts) => {
      const stream = bytes(lines.map((each) => `${each}\n`).join("") + last);
      const prefix = new LinePrefix("[12] ");
      const given: Uint8Array[] = [];
      let at = 0;
      for (const cut of [...cuts, stream.length]) {
        given.push(prefix.take(stream.subarray(at, at + cut)));
        at += cut;
        expect(given.at(-1)?.at(-1) ?? 10).toBe(10);
      }
      given.push(prefix.end());
      const all = last === "" ? lines : [...lines, last];
      expect(text(given)).toBe(all.map((each) => `[12] ${each}\n`).join(""));
    }),
  );
});

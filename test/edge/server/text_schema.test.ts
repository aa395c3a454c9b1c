import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { textUpTo } from "../../../edge/server/text_schema.ts";

const schema = textUpTo(50);
const complaintAt = (text: string) => schema.safeParse(text).error?.issues[0].message;

test("textUpTo() takes words of every script and all white space", () => {
  for (const text of [
    "",
    "Grüße",
    "日本語",
    "a\tb\r\nc\v\f\u0085\u2028\u00a0",
    "👩‍👩‍👧 \u{10ffff}",
  ]) {
    expect(schema.safeParse(text).success).toBe(true);
  }
});

test("textUpTo() names the character it refuses, and where", () => {
  expect(complaintAt("ab\u0000")).toBe("a control character, U+0000, stands at 2");
  expect(complaintAt("👍\u001b[31m")).toBe("a control character, U+001B, stands at 2");
  expect(complaintAt("a\u009b")).toBe("a control character, U+009B, stands at 1");
  expect(complaintAt("a\ud800b")).toBe("a lone surrogate, U+D800, stands at 1");
  expect(complaintAt("\udc00\ud800")).toBe("a lone surrogate, U+DC00, stands at 0");
});

test("textUpTo() refuses exactly lone surrogates and controls that are no white space", () => {
  const isWhite = (unit: number) => (unit >= 9 && unit <= 13) || unit === 0x85;
  const isControl = (unit: number) => unit < 32 || (unit >= 127 && unit < 160);
  const texts = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 });
  fc.assert(
    fc.property(texts, (units) => {
      const text = String.fromCharCode(...units);
      const hasControl = units.some((unit) => isControl(unit) && !isWhite(unit));
      expect(schema.safeParse(text).success).toBe(text.isWellFormed() && !hasControl);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("textUpTo() does not look into a text that is too long", () => {
  const issues = schema.safeParse("\u0000".repeat(51)).error?.issues;
  expect(issues?.map(({ code }) => code)).toEqual(["too_big"]);
});

import { expect, test } from "bun:test";
import fc from "fast-check";
import { joinSentences, splitSentences } from "../../../edge/runtime/sentences.ts";

test("joinSentences() undoes splitSentences() for any text", () => {
  const pieces = fc.constantFrom(
    "A",
    "b",
    " ",
    "  ",
    ".",
    "!",
    "?",
    "…",
    "\n",
    "\r\n",
    "\t",
    "“",
    ")",
    "。",
    "5",
    "Dr",
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(pieces).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const { sentences, spaces } = splitSentences(text);
      expect(joinSentences(sentences, spaces)).toBe(text);
      for (const sentence of sentences) expect(sentence).toBe(sentence.trim());
      for (const space of spaces) expect(space.trim()).toBe("");
      expect(sentences).not.toContain("");
    }),
  );
});

for (const [text, want] of [
  ["One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]],
  ["He said “Stop.” Then he left.", ["He said “Stop.”", "Then he left."]],
  ["See e.g. Fig. 3 and Dr. Smith.", ["See e.g. Fig. 3 and Dr. Smith."]],
  ["Version 2.5 is out. It is fast.", ["Version 2.5 is out.", "It is fast."]],
  ["J. S. Bach wrote it. Listen.", ["J. S. Bach wrote it.", "Listen."]],
  ["Das ist z.B. Öl. Ärgerlich!", ["Das ist z.B. Öl.", "Ärgerlich!"]],
  ["  padded line \n\n next ", ["padded line", "next"]],
  ["今日は。元気ですか？はい。", ["今日は。", "元気ですか？", "はい。"]],
  ["I said no. Then I left. See No. 5.", ["I said no.", "Then I left.", "See No. 5."]],
  ["1. Open the file. 2. Save it.", ["1. Open the file.", "2. Save it."]],
  ["„Ja.“ Er ging.", ["„Ja.“", "Er ging."]],
  ["It was 1999. Then it ended.", ["It was 1999.", "Then it ended."]],
  ["no end. but small letters", ["no end. but small letters"]],
  ["", []],
  [" \n ", []],
] as const) {
  test(`splitSentences() cuts ${JSON.stringify(text)}`, () => {
    expect(splitSentences(text).sentences).toEqual([...want]);
  });
}

test("splitSentences() takes linear time on hostile text", () => {
  const began = performance.now();
  for (const hostile of [
    ".".repeat(200_000),
    "a.".repeat(100_000),
    ' "'.repeat(100_000),
    "A. ".repeat(60_000),
  ]) {
    splitSentences(hostile);
  }
  // Quadratic time would be minutes.
  expect(performance.now() - began).toBeLessThan(20_000);
});

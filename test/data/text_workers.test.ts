import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ByteVocabulary } from "../../src/data/byte_vocabulary.ts";
import { Dictionary } from "../../src/data/dictionary.ts";
import { countLines, lineRanges } from "../../src/data/line_ranges.ts";
import { splitLines } from "../../src/data/text_lines.ts";
import { TextWorkers } from "../../src/data/text_workers.ts";
import { hashBytes } from "../../src/data/token_scanner.ts";
import { tokenizeLine } from "../../src/data/white_space.ts";

const file = (text: string | Uint8Array): string => {
  const path = join(mkdtempSync(join(tmpdir(), "weft-")), "text");
  writeFileSync(path, text);
  return path;
};

/** Texts of words, odd white space and every kind of line end. */
const texts = fc
  .array(
    fc.constantFrom(
      "a",
      "b",
      "wörd",
      "中",
      "😀",
      "\ufeff",
      " ",
      "\t",
      "\u0085",
      "\u00a0",
      "\u2028",
      "\u3000",
      "\u1680",
      "\u205f",
      "\u200b",
      "\x1c",
      "\n",
      "\r",
      "\r\n",
      "\n\n",
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

async function encodeWith(
  workers: number,
  rangeBytes: number,
  path: string,
  dictionary: Dictionary,
) {
  const pool = new TextWorkers(workers, rangeBytes);
  try {
    const counts = new Map<string, number>();
    let lines = 0;
    for await (const part of pool.count(path)) {
      lines += part.lines;
      for (const [i, word] of part.words.entries()) {
        counts.set(word, (counts.get(word) ?? 0) + (part.counts[i] ?? 0));
      }
    }
    const ids: number[] = [];
    const sizes: number[] = [];
    const { symbols, eosIndex: eos, unkIndex: unk } = dictionary;
    for await (const part of pool.encode(path, { symbols, eos, unk, bytes: 2 })) {
      ids.push(...new Uint16Array(part.elements.buffer));
      sizes.push(...part.sizes);
    }
    return { counts, lines, ids, sizes };
  } finally {
    pool.close();
  }
}

const dictionary = new Dictionary();
for (const word of ["a", "wörd", "中", "\ufeff"]) dictionary.addSymbol(word);

test("TextWorkers counts and encodes what the string functions do, whatever the ranges", async () => {
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 1, max: 30 }), async (text, rangeBytes) => {
      const lines = splitLines(text);
      const words = lines.flatMap(tokenizeLine);
      const result = await encodeWith(1, rangeBytes, file(text), dictionary);
      expect(result.lines).toBe(lines.length);
      expect([...result.counts.values()].reduce((a, b) => a + b, 0)).toBe(words.length);
      for (const word of words) {
        expect(result.counts.get(word)).toBe(words.filter((other) => other === word).length);
      }
      const encoded = lines.map((line) => [...dictionary.encodeLine(line)]);
      expect(result.ids).toEqual(encoded.flat());
      expect(result.sizes).toEqual(encoded.map((ids) => ids.length));
    }),
  );
});

test("TextWorkers gives the same with several threads", async () => {
  const text = Array.from(
    { length: 3000 },
    (_, i) => `a wörd ${i} 中 ${"b ".repeat(i % 7)}\n`,
  ).join("");
  const path = file(text);
  const alone = await encodeWith(1, 1 << 22, path, dictionary);
  expect(await encodeWith(3, 2000, path, dictionary)).toEqual(alone);
});

test("TextWorkers names file and line of invalid UTF-8 from any thread", async () => {
  const bytes = new TextEncoder().encode("good line\n".repeat(500));
  bytes[10 * 321] = 0xff;
  const path = file(bytes);
  for (const workers of [1, 2]) {
    const failure = await encodeWith(workers, 1000, path, dictionary).catch(
      (error: unknown) => error,
    );
    expect(String(failure)).toContain(`${path}:322: the line is not valid UTF-8`);
  }
});

test("lineRanges() cuts between lines, never inside a CRLF", () => {
  const path = file("one\r\ntwo\rthree\n\nfour");
  for (let bytes = 1; bytes < 25; bytes++) {
    const ranges = lineRanges(path, bytes);
    expect(ranges.at(0)?.start).toBe(0);
    expect(ranges.at(-1)?.end).toBe(20);
    for (const { end } of ranges) expect([5, 9, 15, 16, 20]).toContain(end);
  }
  expect(countLines(path)).toBe(5);
});

test("ByteVocabulary numbers words in the order of adding, through growth", () => {
  const vocabulary = new ByteVocabulary();
  const words = Array.from({ length: 20000 }, (_, i) => `wörd${i}`);
  const encoder = new TextEncoder();
  for (const [i, word] of [...words, ...words].entries()) {
    const bytes = encoder.encode(word);
    const hash = hashBytes(bytes, 0, bytes.length);
    expect(vocabulary.add(bytes, 0, bytes.length, hash)).toBe(i % words.length);
  }
  expect(vocabulary.words()).toEqual(words);
});

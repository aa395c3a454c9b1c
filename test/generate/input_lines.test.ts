import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { splitLines } from "../../src/data/text_lines.ts";
import { cutLines, inGroups, inputLines } from "../../src/generate/input_lines.ts";

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length];
    yield bytes.slice(at, at + size);
    at += size;
  }
}

test("cutLines() finds the same lines however the bytes arrive", async () => {
  const text = fc.array(fc.constantFrom("a", "ö", "\n", "\r", "\r\n", " "), { maxLength: 30 });
  const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(text, sizes, async (parts, cuts) => {
      const lines: string[] = [];
      const bytes = new TextEncoder().encode(parts.join(""));
      for await (const line of cutLines(chunksOf(bytes, cuts))) {
        lines.push(new TextDecoder().decode(line));
      }
      expect(lines).toEqual(splitLines(parts.join("")));
    }),
  );
});

test("inputLines() names the line that is not UTF-8", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-lines-"));
  const path = join(folder, "input.txt");
  writeFileSync(path, new Uint8Array([65, 10, 32, 66, 32, 10, 0xff, 10]));
  const seen: string[] = [];
  const read = async () => {
    for await (const line of inputLines(path)) seen.push(line);
  };
  await expect(read()).rejects.toThrow(`${path}:3: the line is not valid UTF-8`);
  expect(seen).toEqual(["A", "B"]);
  await expect(inputLines(join(folder, "absent")).next()).rejects.toThrow("cannot be read");
  rmSync(folder, { recursive: true });
});

test("inGroups() gives out full groups and then the rest", async () => {
  async function* lines(): AsyncGenerator<string> {
    yield* ["a", "b", "c"];
  }
  const groups: string[][] = [];
  for await (const group of inGroups(lines(), 2)) groups.push(group);
  expect(groups).toEqual([["a", "b"], ["c"]]);
});

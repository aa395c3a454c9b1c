// What interactive does with each line, whatever is read and translated together with it.
import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenTest } from "../support/golden.ts";
import { data, idsOf, model, needs, type Ran, run } from "./run_command.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

function translate(lines: readonly string[], ...flags: string[]): Promise<Ran> {
  const input = join(folder, "input.txt");
  writeFileSync(input, lines.map((line) => `${line}\n`).join(""));
  const languages = ["-s", "en", "-t", "de"];
  return run("interactive", data(), "--path", model(), "--input", input, ...languages, ...flags);
}

goldenTest(
  "interactive --sampling draws anew for each line, whatever the buffer",
  needs,
  async () => {
    const lines = Array.from({ length: 4 }, () => "the end of a");
    const outputs = async (...flags: string[]) => {
      const { out } = await translate(lines, "--sampling", "--beam", "1", ...flags);
      return [...out.matchAll(/^H-\d+\t\S+\t(.*)$/gm)].map(([, text]) => text);
    };
    const one = await outputs("--buffer-size", "1");
    expect(new Set(one).size).toBe(4);
    expect(await outputs("--buffer-size", "4")).toEqual(one);
    expect(await outputs("--buffer-size", "3", "--batch-size", "3")).toEqual(one);
  },
);

goldenTest("interactive names the lines whose constraints are not met", needs, async () => {
  const flags = ["--constraints", "--beam", "2", "--max-len-b", "3", "--buffer-size", "2"];
  const tooMany = ["the end", ...Array.from({ length: 8 }, () => "der")].join("\t");
  const { err } = await translate(["the end", "is", tooMany], ...flags);
  expect(err.match(/^line .*$/gm)).toEqual([
    "line 3: the output reached the length limit without all of its constraints",
  ]);
});

goldenTest("interactive counts and names the lines that --on-too-long skips", needs, async () => {
  const long = "the end of a the end of a";
  const lines = ["is", "the end", long, "is"];
  const limit = ["--max-source-positions", "6", "--buffer-size", "2", "--beam", "1"];
  const skipped = await translate(lines, ...limit, "--on-too-long", "skip");
  expect(idsOf(skipped.out)).toEqual([0, 1, 3]);
  expect(skipped.err).toContain("line 3: has 9 tokens, more than 6: skipped\n");
  expect(skipped.err).toMatch(/Translated 3 lines in [\d.]+s, skipped 1\n/);
  const cut = await translate(lines, ...limit, "--on-too-long", "truncate");
  expect(idsOf(cut.out)).toEqual([0, 1, 2, 3]);
  expect(cut.err).toContain("line 3: has 9 tokens, more than 6: cut\n");
  const refused = await translate(lines, ...limit);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("line 3: has 9 tokens, more than 6;\n  choose --on-too-long");
});

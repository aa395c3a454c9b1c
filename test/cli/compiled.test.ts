import { afterAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { run } from "./run_program.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-compiled-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name);
const name = "a compiled program loads a plug-in that lies alone in another folder";

async function compiledWithPlugin(): Promise<void> {
  const program = join(folder, "program");
  const build = await run(process.execPath, [
    "build",
    "--compile",
    fixture("program.ts"),
    "--outfile",
    program,
  ]);
  expect([build.code, build.stderr]).toEqual([0, ""]);
  copyFileSync(fixture("halving.ts"), join(folder, "mine.ts"));
  const flags = ["--plugin", "./mine.ts", "--lr-scheduler", "halving", "--lr", "8"];
  const { code, stdout, stderr } = await run(program, ["rates", ...flags], folder);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout.split("\n").slice(0, 3)).toEqual(["8", "4", "2"]);
}

if ("bun" in process.versions) test(name, compiledWithPlugin);
else test.skip(`${name} (Bun compiles it, and this is Deno)`, compiledWithPlugin);

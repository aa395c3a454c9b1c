// The goldens that travel with a clone: whole, promised by the manifest, and small.
import { expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { files, root } from "./source_files.ts";

const folder = join(root, "test/golden");
const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as string[];
const shipped = files
  .filter((path) => path.startsWith("test/golden/"))
  .map((path) => path.slice("test/golden/".length));

test("test/golden holds all that its manifest promises", () => {
  expect(manifest.length).toBeGreaterThan(10);
  expect(manifest.filter((path) => !existsSync(join(folder, path)))).toEqual([]);
});

test("test/golden stays below 2 MiB", () => {
  const bytes = shipped.reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
  expect(bytes).toBeLessThan(2 * 2 ** 20);
});

test("test/golden leaves out the texts whose licences forbid copying", () => {
  expect(shipped.filter((path) => /rouge/.test(path))).toEqual([]);
});

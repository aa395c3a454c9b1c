// Where the goldens lie: outputs of the real fairseq that weft must reproduce. A full set may stand
// beside the checkout (../shared/golden); the essentials travel in test/golden. Neither may vanish
// unnoticed: a path that should be there and is not fails the test that asks for it.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "bun:test";

const shipped = resolve(import.meta.dirname, "../golden");
const full = resolve(import.meta.dirname, "../../../shared/golden");

/** True when the whole golden set stands beside the checkout. */
export const hasFullGoldens = existsSync(full);

/** The folder that goldens are read from. */
export const goldenRoot: string = hasFullGoldens ? full : shipped;

/** Absolute path of a golden file or folder, e.g. "training/lr_scheduler.json". @throws if absent. */
export function goldenPath(path: string): string {
  const absolute = join(goldenRoot, path);
  if (!existsSync(absolute)) throw new Error(`golden ${path} is missing below ${goldenRoot}`);
  return absolute;
}

/** A golden JSON file, parsed. */
export function readGolden<T>(path: string): T {
  return JSON.parse(readFileSync(goldenPath(path), "utf8")) as T;
}

/** What test/golden promises to hold, as folder or file prefixes. */
function shippedPaths(): string[] {
  return JSON.parse(readFileSync(join(shipped, "manifest.json"), "utf8")) as string[];
}

/**
 * A test that reads goldens below `path`. Without the full set it runs when the shipped copy
 * promises that path, and is otherwise listed as skipped with the reason in its name.
 */
export function goldenTest(name: string, path: string, run: () => void | Promise<void>): void {
  if (hasFullGoldens || shippedPaths().some((promised) => path.startsWith(promised))) {
    test(name, run);
  } else {
    test.skip(`${name} (needs ${path} of the full golden set, which is not beside this checkout)`, run);
  }
}

// Where the goldens lie: outputs of the real fairseq that weft must reproduce. A full set may stand
// beside the checkout (../shared/golden); the essentials travel in test/golden. Neither may vanish
// unnoticed: a path that should be there and is not fails the test that asks for it.

import { test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

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

/** The files and folders that test/golden promises to hold. */
const promises: readonly string[] = JSON.parse(
  readFileSync(join(shipped, "manifest.json"), "utf8"),
);

/** A promised path, one in a promised folder, or a case without the extension of its files. */
const isPromised = (path: string): boolean =>
  promises.some(
    (promise) =>
      path === promise || path.startsWith(`${promise}/`) || promise.startsWith(`${path}.`),
  );

/**
 * A test that reads goldens below `path`. Without the full set it runs when the shipped copy
 * promises that path, and is otherwise listed as skipped with the reason in its name.
 */
export function goldenTest(name: string, path: string, run: () => void | Promise<void>): void {
  if (hasFullGoldens || isPromised(path)) {
    test(name, run);
  } else {
    test.skip(
      `${name} (needs ${path} of the full golden set, which is not beside this checkout)`,
      run,
    );
  }
}

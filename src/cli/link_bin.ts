// Part of installing: makes `bunx weft` and `npx weft` run this checkout. Package managers link the
// programs of dependencies only, and bunx would fetch a stranger's package of the same name.
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";

const root = resolve(import.meta.dirname, "../..");

/** Links node_modules/.bin/weft to the main file. Windows allows links to administrators only. */
export function linkBin(): void {
  if (process.platform === "win32") return;
  const folder = join(root, "node_modules/.bin");
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "weft"), { force: true });
  symlinkSync("../../src/cli/main.ts", join(folder, "weft"));
}

if (import.meta.main) linkBin();

// The files of the project as a clone has them: what the tests of the house look at.
import { globSync } from "node:fs";
import { join, resolve, sep } from "node:path";

export const root: string = resolve(import.meta.dirname, "../..");

/** Written by tools or by others: not ours to judge. */
const foreign = /^(node_modules|\.git|dist|build|recipes\/out)\/|^package-lock\.json$/;

/** Paths of all files, from the top of the repository, with forward slashes, sorted. */
export const files: readonly string[] = ["*", ".ci/*", "*/**/*"]
  .flatMap((pattern) =>
    globSync(pattern, {
      cwd: root,
      withFileTypes: true,
      exclude: ({ name }) => name === "node_modules" || name === ".git",
    }),
  )
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
  .map((path) => path.replaceAll(sep, "/"))
  .filter((path) => !foreign.test(path))
  .sort();

/** All TypeScript, AssemblyScript included. */
export const sources: readonly string[] = files.filter((path) => path.endsWith(".ts"));

import { expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { files, root, sources } from "./source_files.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** Files that are ours to word: not corpora, goldens, licences, or this list itself. */
const written = files.filter(
  (path) =>
    !/^(test\/golden|recipes\/data)\/|LICENSE|^test\/house\/files\.test\.ts$/.test(path) &&
    (/\.(ts|json|toml|md|sh|yml|yaml)$/.test(path) || /^\.ci\/|^\.[a-z]+(ignore|rc)$/.test(path)),
);

const unwanted: Readonly<Record<string, RegExp>> = {
  "a path of one machine": /["'`\s(]\/(work|home\/\w+|Users\/\w+)\//,
  "the address of a package registry": /\b(registry\.(npm|yarn)|files\.pythonhosted|deb\.debian)/,
  "work put off": /\b(TODO|FIXME|XXX)\b/,
  "a silenced type error": /@ts-(ignore|nocheck|expect-error)/,
};

for (const [what, pattern] of Object.entries(unwanted)) {
  test(`no file contains ${what}`, () => {
    const places = written.flatMap((path) =>
      read(path)
        .split("\n")
        .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line}`] : [])),
    );
    expect(places).toEqual([]);
  });
}

test("no source file is longer than 400 lines", () => {
  const long = sources.map((path) => ({ path, lines: read(path).split("\n").length - 1 }));
  expect(long.filter(({ lines }) => lines > 400)).toEqual([]);
});

test("source files are named in snake_case", () => {
  // A recipe is called on the command line, where words are joined by hyphens.
  const named = /^([a-z0-9_]+|index)(\.as|\.test|\.d)?\.ts$/;
  const recipe = /^recipes\/[a-z0-9-]+\.ts$/;
  expect(
    sources.filter((path) => !named.test(path.replace(/.*\//, "")) && !recipe.test(path)),
  ).toEqual([]);
});

test("what a shell runs is executable and begins with its interpreter", () => {
  const programs = ["src/cli/main.ts", ...files.filter((path) => /^\.ci\/|\.sh$/.test(path))];
  const faults = programs.filter(
    (path) => (statSync(join(root, path)).mode & 0o111) !== 0o111 || !/^#!\//.test(read(path)),
  );
  expect(faults).toEqual([]);
});

// What one configuration file says must agree with what another says.
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { files, root } from "./source_files.ts";

interface Manifest {
  readonly license: string;
  readonly bin: Record<string, string>;
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

interface DenoConfiguration {
  readonly imports: Record<string, string>;
  readonly tasks: Record<string, string>;
}

const json = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), "utf8")) as T;
const manifest = json<Manifest>("package.json");
const packages = { ...manifest.dependencies, ...manifest.devDependencies };
const deno = json<DenoConfiguration>("deno.json");

test("every dependency has one exact version", () => {
  expect(
    Object.entries(packages).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
  ).toEqual([]);
});

test("package-lock.json knows the packages of every platform, or npm ci refuses it", () => {
  const { packages: locked } = json<{
    packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>;
  }>("package-lock.json");
  const wanted = Object.values(locked).flatMap((entry) =>
    Object.keys(entry.optionalDependencies ?? {}),
  );
  expect(wanted.length).toBeGreaterThan(10);
  expect(wanted.filter((name) => !(`node_modules/${name}` in locked))).toEqual([]);
  expect(Object.values(locked).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
});

test("deno.json imports the versions that package.json names", () => {
  const fromNpm = Object.entries(deno.imports).filter(([, target]) => target.startsWith("npm:"));
  expect(fromNpm.length).toBeGreaterThan(0);
  expect(fromNpm).toEqual(fromNpm.map(([name]) => [name, `npm:${name}@${packages[name]}`]));
});

test("files that configurations and scripts name are there", () => {
  const commands = [...Object.values(manifest.scripts), ...Object.values(deno.tasks)];
  const named = [
    ...Object.values(manifest.bin),
    ...Object.values(deno.imports).filter((target) => target.startsWith("./")),
    ...commands.flatMap((command) => command.match(/[\w./-]+\.ts\b/g) ?? []),
  ];
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("what weft is made of may be passed on under its own licence", () => {
  const permissive = /^\(?(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD)\b/;
  const licenses = Object.keys(packages).map((name) => {
    const { license } = json<{ license?: string }>(`node_modules/${name}/package.json`);
    return `${name}: ${license}`;
  });
  expect(licenses.filter((line) => !permissive.test(line.replace(/^.*?: /, "")))).toEqual([]);
  expect(manifest.license).toBe("MIT");
  expect(readFileSync(join(root, "LICENSE"), "utf8")).toStartWith("MIT License");
});

test("texts of others stand beside their licence and a notice of where they are from", () => {
  const folders = {
    "recipes/data/help": "LICENSE.MPL-2.0",
    "test/golden": "LICENSE.MPL-2.0",
    "test/cluster/kubernetes": "LICENSE.Apache-2.0",
  };
  for (const [folder, license] of Object.entries(folders)) {
    const beside = files.filter((path) => path.startsWith(`${folder}/`));
    expect(beside).toContain(`${folder}/NOTICE.md`);
    expect(beside).toContain(`${folder}/${license}`);
  }
});

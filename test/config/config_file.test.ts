import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfigFile } from "../../src/config/config_file.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("readConfigFile() reads YAML and JSON", async () => {
  const yaml = await readConfigFile(file("a.yaml", "# run\nlr: 5e-4\nadam_betas: (0.9, 0.98)\n"));
  expect(yaml.values).toEqual({ lr: 0.0005, adam_betas: "(0.9, 0.98)" });
  expect(yaml.folder).toBe(folder);
  const json = await readConfigFile(file("a.json", '{"lr": [0.25],\n\t"fp": null}'));
  expect(json.values).toEqual({ lr: [0.25], fp: null });
  expect((await readConfigFile(file("empty.yaml", ""))).values).toEqual({});
});

test("readConfigFile() says what is wrong with a file, and where", async () => {
  const refused = async (path: string): Promise<string> => {
    const error: unknown = await readConfigFile(path).catch((thrown: unknown) => thrown);
    return error instanceof Error ? error.message : "nothing is wrong";
  };
  expect(await refused(join(folder, "absent.yaml"))).toContain("absent.yaml: cannot be read");
  expect(await refused(file("list.yaml", "- 1\n"))).toContain("holds no map");
  expect(await refused(file("open.json", '{"lr": [0.25'))).toMatch(
    /open\.json:1:\d+: not YAML or JSON/,
  );
  expect(await refused(file("twice.yaml", "lr: 1\nlr: 2\n"))).toMatch(/twice\.yaml:2:1/);
  expect(await refused(file("latin.yaml", new Uint8Array([0x61, 0x3a, 0x20, 0xe9])))).toContain(
    "not UTF-8",
  );
});

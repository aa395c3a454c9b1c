import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadPlugin } from "../../src/plugin.ts";
import { createRegistries } from "../../src/registries.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-documented-"));
afterAll(() => rmSync(folder, { recursive: true }));

const page = readFileSync(join(import.meta.dirname, "../../docs/plug-ins.md"), "utf8");

test("the first example of docs/plug-ins.md does what it says", async () => {
  const example = /```ts\n(.*?)```/s.exec(page)?.[1] ?? "";
  writeFileSync(join(folder, "halving.ts"), example);
  const registries = createRegistries();
  await loadPlugin("halving.ts", folder, registries);
  const halving = registries.lr_schedulers.get("halving");
  const schedule = halving.build(halving.config.parse({ halving_updates: 500 }), [1e-3]);
  expect([0, 500, 1000].map((updates) => schedule(updates, 1, []))).toEqual([1e-3, 5e-4, 2.5e-4]);
});

test("docs/plug-ins.md names all that a plug-in receives", async () => {
  const received = join(folder, "received.json");
  const text = `import { writeFileSync } from "node:fs";
    export default (weft) => writeFileSync(${JSON.stringify(received)}, JSON.stringify(Object.keys(weft)));`;
  writeFileSync(join(folder, "keys.ts"), text);
  await loadPlugin("keys.ts", folder, createRegistries());
  const keys: string[] = JSON.parse(readFileSync(received, "utf8"));
  const [, section = ""] = /## What the plug-in receives\n(.*?)\n## /s.exec(page) ?? [];
  const cells = [...section.matchAll(/^\| (`[^|]*?) *\|/gm)].map(([, cell]) => cell);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  expect(named.sort()).toEqual(keys.sort());
});

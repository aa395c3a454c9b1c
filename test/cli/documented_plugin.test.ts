import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadPlugin } from "../../src/plugin.ts";
import { createRegistries } from "../../src/registries.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-documented-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the first example of docs/plug-ins.md does what it says", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/plug-ins.md"), "utf8");
  const example = /```ts\n(.*?)```/s.exec(page)?.[1] ?? "";
  writeFileSync(join(folder, "halving.ts"), example);
  const registries = createRegistries();
  await loadPlugin("halving.ts", folder, registries);
  const halving = registries.lr_schedulers.get("halving");
  const schedule = halving.build(halving.config.parse({ halving_updates: 500 }), [1e-3]);
  expect([0, 500, 1000].map((updates) => schedule(updates, 1, []))).toEqual([1e-3, 5e-4, 2.5e-4]);
});

import { afterAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { model } from "../../src/components.ts";
import { loadPlugin } from "../../src/plugin.ts";
import { createRegistries } from "../../src/registries.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-plugin-"));
afterAll(() => rmSync(folder, { recursive: true }));

const unbuildable = (): never => {
  throw new Error("nothing is built in these tests");
};

function plugin(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

async function refused(name: string): Promise<string> {
  const error: unknown = await loadPlugin(name, folder, createRegistries()).catch(
    (thrown) => thrown,
  );
  return error instanceof Error ? `${error.name}: ${error.message}` : "nothing is wrong";
}

test("loadPlugin() hands the registries to the plug-in and returns its name and hash", async () => {
  const text = `
    export default async ({ criterions, models, model, criterion, z, optimizers }) => {
      criterions.add(criterion({
        name: "hinge",
        config: z.strictObject({ margin: z.number().default(1) }),
        build: (config) => config,
      }));
      models.add(model({ name: "tiny", config: z.strictObject({ layers: z.int().default(1) }), architectures: { tinier: { layers: 0 } }, build: (c) => c }));
      models.addArchitecture("tower", "tower_small", { layers: 2 });
    };`;
  const registries = createRegistries();
  const config = z.strictObject({ layers: z.int().min(1).default(6) });
  registries.models.add(model({ name: "tower", config, architectures: {}, build: unbuildable }));
  const record = await loadPlugin(plugin("mine.ts", text), folder, registries);
  expect(record).toEqual({
    name: "mine.ts",
    sha256: createHash("sha256").update(text).digest("hex"),
  });
  expect(registries.criterions.get("hinge").config.parse({})).toEqual({ margin: 1 });
  expect(registries.models.choose("tower_small").preset).toEqual({ layers: 2 });
  expect(registries.models.choose("tinier").component.name).toBe("tiny");
});

test("loadPlugin() refuses what is no plug-in, in one clear message", async () => {
  expect(await refused("absent.ts")).toMatch(/^UserError: --plugin absent\.ts: cannot be read/);
  expect(await refused(plugin("empty.ts", "export const a = 1;"))).toContain(
    "its default export is missing",
  );
  expect(await refused(plugin("object.ts", "export default {};"))).toContain(
    "its default export is no function",
  );
  expect(await refused(plugin("throws.ts", "export default () => { null.x; };"))).toMatch(
    /^UserError: --plugin throws\.ts: failed: TypeError/,
  );
  expect(await refused(plugin("broken.ts", "export default ("))).toMatch(
    /^UserError: --plugin broken\.ts: cannot be loaded/,
  );
  expect(
    await refused(plugin("imports.ts", 'import "./nowhere.ts"; export default () => {};')),
  ).toMatch(/^UserError: --plugin imports\.ts: cannot be loaded/);
});

test("loadPlugin() refuses components that are not whole, or whose name is taken", async () => {
  const adds = (component: string) =>
    `export default ({ criterions, z }) => criterions.add(${component});`;
  const config = "config: z.strictObject({})";
  expect(await refused(plugin("a.ts", adds("{}")))).toContain(
    "plug-in a.ts: adds a criterion without a name",
  );
  expect(await refused(plugin("b.ts", adds("undefined")))).toContain("without a name");
  expect(await refused(plugin("c.ts", adds('{ name: "x" }')))).toContain(
    "config is not a zod object",
  );
  expect(await refused(plugin("d.ts", adds(`{ name: "x", ${config} }`)))).toContain(
    "without a build function",
  );
  const twice =
    "export default ({ lr_schedulers }) => lr_schedulers.add(lr_schedulers.get('fixed'));";
  expect(await refused(plugin("e.ts", twice))).toContain(
    "is registered twice, by weft and by plug-in e.ts",
  );
});

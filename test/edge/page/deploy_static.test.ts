import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { deploy } from "../../../edge/platforms/deploy.ts";
import { staticPlatform } from "../../../edge/platforms/deploy_static.ts";
import { temporaryFolder } from "../platforms.ts";
import { writeGolden } from "./golden_page.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const bundle = await writeGolden(join(folder, "golden"), "int8");
const other = await writeGolden(join(folder, "other"), "none");

/** Deploys with stand-ins for the bundled files. @returns where, and what its service worker knows. */
async function deployed(bundles: readonly string[], page = "page") {
  const out = join(folder, "out");
  const artefacts = async (name: string) => new TextEncoder().encode(`${page} ${name}`);
  await deploy(staticPlatform, { bundles, out, artefacts });
  const [first] = readFileSync(join(out, "service_worker.js"), "utf8").split("\n");
  const [, json] = /^self\.weftDeployment = (.*);$/.exec(first) ?? [];
  const { version, shell, models } = JSON.parse(json) as {
    readonly version: string;
    readonly shell: readonly string[];
    readonly models: readonly string[];
  };
  return { out, version, shell, models };
}

test("deploy static writes the page, its workers, the kernels and the bundles", async () => {
  const { out, shell, models } = await deployed([bundle, other]);
  const names = [
    ...[
      ".weft-deployment",
      "README.txt",
      "bundle",
      "index.html",
      "models.json",
      "page.js",
      "quantised.wasm",
      "quantised_relaxed.wasm",
    ],
    ...["service_worker.js", "style.css", "translator_worker.js"],
  ];
  expect(readdirSync(out).sort()).toEqual(names);
  const kept = [
    "./",
    "models.json",
    "page.js",
    "quantised.wasm",
    "quantised_relaxed.wasm",
    "style.css",
  ];
  expect([...shell].sort()).toEqual([...kept, "translator_worker.js"]);
  expect(models).toEqual(["golden", "other"]);
  expect(JSON.parse(readFileSync(join(out, "models.json"), "utf8"))).toEqual({ models });
  for (const name of models) {
    const files = readdirSync(join(out, "bundle", name)).sort();
    expect(files).toEqual([
      ...["decoder.onnx", "dict.txt", "encoder.onnx", "manifest.json", "weights-000.bin"],
    ]);
  }
});

test("a static deployment has another version as soon as its page or a bundle differs", async () => {
  const { version } = await deployed([bundle]);
  expect((await deployed([bundle])).version).toBe(version);
  expect((await deployed([bundle], "new page")).version).not.toBe(version);
  expect((await deployed([other])).version).not.toBe(version);
});

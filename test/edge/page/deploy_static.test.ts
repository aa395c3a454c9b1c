import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { deploy } from "../../../edge/platforms/deploy.ts";
import { staticPlatform, staticPlatformWith } from "../../../edge/platforms/deploy_static.ts";
import { temporaryFolder } from "../platforms.ts";
import { writeGolden } from "./golden_page.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const bundle = await writeGolden(join(folder, "golden"), "int8");
const other = await writeGolden(join(folder, "other"), "none");

/** Deploys with stand-ins for the bundled files. @returns where, and what its service worker knows. */
async function deployed(bundles: readonly string[], page = "page", platform = staticPlatform) {
  const out = join(folder, "out");
  const artefacts = async (name: string) => new TextEncoder().encode(`${page} ${name}`);
  await deploy(platform, { bundles, out, artefacts });
  const [first] = readFileSync(join(out, "service_worker.js"), "utf8").split("\n");
  const [, json] = /^self\.weftDeployment = (.*);$/.exec(first) ?? [];
  const { version, shell, late, models } = JSON.parse(json) as {
    readonly version: string;
    readonly shell: readonly string[];
    readonly late: Readonly<Record<string, string>>;
    readonly models: readonly string[];
  };
  return { out, version, shell, late, models };
}

test("deploy static writes the page, its workers, the kernels and the bundles", async () => {
  const { out, shell, late, models } = await deployed([bundle, other]);
  expect(late).toEqual({});
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
  expect(JSON.parse(readFileSync(join(out, "models.json"), "utf8"))).toEqual({
    models,
    engines: ["weft"],
  });
  for (const name of models) {
    const files = readdirSync(join(out, "bundle", name)).sort();
    expect(files).toEqual([
      ...["decoder.onnx", "dict.txt", "encoder.onnx", "manifest.json", "weights-000.bin"],
    ]);
  }
});

test("deploy static carries ONNX Runtime only if it is asked for, and visitors fetch it late", async () => {
  const platform = staticPlatformWith("onnxruntime-webgpu");
  const { out, shell, late, version } = await deployed([bundle], "page", platform);
  const files = ["webgpu_worker.js", "onnxruntime.js", "onnxruntime.wasm"];
  expect(Object.keys(late)).toEqual(files);
  expect(shell.filter((name) => files.includes(name))).toEqual([]);
  const bytes = files.map((name) => statSync(join(out, name)).size);
  expect(Math.max(...bytes)).toBeLessThan(24 * 2 ** 20); // what static hosts take
  const { engines } = JSON.parse(readFileSync(join(out, "models.json"), "utf8"));
  expect(engines).toEqual(["weft", "onnxruntime-webgpu"]);
  expect(readFileSync(join(out, "README.txt"), "utf8")).toContain("ONNX Runtime");
  expect(version).not.toBe((await deployed([bundle])).version);
  // What stays the same keeps its hash, and visitors do not fetch it again.
  const next = await deployed([bundle], "new page", platform);
  expect(next.version).not.toBe(version);
  const changed = files.filter((name) => next.late[name] !== late[name]);
  expect(changed).toEqual(["webgpu_worker.js"]);
});

test("a static deployment has another version as soon as its page or a bundle differs", async () => {
  const { version } = await deployed([bundle]);
  expect((await deployed([bundle])).version).toBe(version);
  expect((await deployed([bundle], "new page")).version).not.toBe(version);
  expect((await deployed([other])).version).not.toBe(version);
});

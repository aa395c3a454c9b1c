// Bundles what weft deploy hands out: each entry becomes one file of build/edge, with all that it needs
// but WebAssembly. Part of installing, as the kernels are, so that deploying needs no bundler. The ending
// .asset keeps compilers and linters from taking them for sources.
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildPage } from "./page/build.ts";

const root = resolve(import.meta.dirname, "..");

/** WebAssembly stays a file beside the bundle: workerd compiles modules from files only. */
const wasmBeside: Bun.BunPlugin = {
  name: "wasm beside the bundle",
  setup(build) {
    build.onResolve({ filter: /\/quantised_relaxed\.wasm$/ }, () => ({
      path: "./quantised_relaxed.wasm",
      external: true,
    }));
  },
};

interface Bundled {
  readonly entry: string;
  readonly output: string;
  readonly target: "browser" | "node";
}

const bundles: readonly Bundled[] = [
  { entry: "edge/platforms/workerd.ts", output: "worker.js.asset", target: "browser" },
  { entry: "edge/platforms/standalone.ts", output: "server.js.asset", target: "node" },
  {
    entry: "edge/platforms/translator_thread.ts",
    output: "translator_thread.js.asset",
    target: "node",
  },
];

/** @throws AggregateError with the bundler's messages. */
export async function buildEdge(): Promise<string> {
  const folder = join(root, "build/edge");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await buildPage(folder); // first: the servers carry the page
  for (const { entry, output, target } of bundles) {
    const built = await Bun.build({
      entrypoints: [join(root, entry)],
      target,
      format: "esm",
      minify: true,
      plugins: [wasmBeside],
    });
    await Bun.write(join(folder, output), await built.outputs[0].arrayBuffer());
  }
  return folder;
}

if (import.meta.main) {
  const began = performance.now();
  const folder = await buildEdge();
  console.log(
    `edge: the page and ${bundles.length} bundles in ${folder}, ${(performance.now() - began).toFixed(0)} ms`,
  );
}

// Bundles what weft deploy hands out: each entry becomes one file of build/edge, with all that it needs
// but WebAssembly. Part of installing, as the kernels are, so that deploying needs no bundler. The ending
// .asset keeps compilers and linters from taking them for sources.
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { EDGE_STAMPS, type EdgeStamp, hashOfFiles } from "../src/build_stamps.ts";
import { buildPage } from "./page/build.ts";
import { bundledSources, type WriteBundle } from "./page/bundled_sources.ts";

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

/**
 * Every file takes the old one's place whole: deployments may be made meanwhile, and other builds too.
 * Last come the stamps, which say what each was made from.
 *
 * @throws AggregateError with the bundler's messages.
 */
export async function buildEdge(): Promise<string> {
  const folder = join(root, "build/edge");
  const stamps: Record<string, EdgeStamp> = {};
  const replace = (path: string, content: string | Uint8Array): void => {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    const own = `${target}.${process.pid}`;
    writeFileSync(own, content);
    renameSync(own, target);
  };
  const write: WriteBundle = (path, content, sources) => {
    replace(path, content);
    const all = ["edge/build.ts", ...sources];
    stamps[path] = { sources: all, sha256: hashOfFiles(root, all) };
  };
  await buildPage(write); // first: the servers carry the page
  for (const { entry, output, target } of bundles) {
    const built = await Bun.build({
      entrypoints: [join(root, entry)],
      target,
      format: "esm",
      minify: true,
      plugins: [wasmBeside],
      metafile: true,
    });
    const bytes = new Uint8Array(await built.outputs[0].arrayBuffer());
    write(output, bytes, bundledSources(root, built));
  }
  replace(relative(folder, join(root, EDGE_STAMPS)), `${JSON.stringify(stamps, null, 1)}\n`);
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    // What an older weft has left; what others are writing has a number behind it.
    if (path.endsWith(".asset") && !(path in stamps)) rmSync(join(folder, path));
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

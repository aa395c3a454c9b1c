// The files of build/edge and the kernels, where there is a file system: Bun, Deno, the compiled binary.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { checkEdge, checkKernels } from "../../src/build_stamps.ts";

/** What deployments are made of. */
export const artefactNames = [
  "quantised.wasm",
  "quantised_relaxed.wasm",
  "worker.js",
  "server.js",
  "translator_thread.js",
  "static/index.html",
  "static/style.css",
  "static/page.js",
  "static/translator_worker.js",
  "static/webgpu_worker.js",
  "static/service_worker.js",
] as const;

export type ArtefactName = (typeof artefactNames)[number];

/** Reads one. @throws Error that says how to build it; UserError if it is of other sources. */
export type Artefacts = (name: ArtefactName) => Promise<Uint8Array>;

const builtAs = (name: ArtefactName): string =>
  name.endsWith(".wasm") ? name : `edge/${name}.asset`;

export const artefacts: Artefacts = async (name) => {
  const path =
    typeof Bun === "undefined"
      ? fileURLToPath(new URL(`../../build/${builtAs(name)}`, import.meta.url))
      : (await import("./embedded_artefacts.ts")).default[name];
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const build = "run `bun kernels/build.ts` and `bun edge/build.ts`";
    throw new Error(`${name} of build/ is missing: ${build}`, { cause });
  }
  if (name.endsWith(".wasm")) checkKernels(name);
  else checkEdge(`${name}.asset`);
  return bytes;
};

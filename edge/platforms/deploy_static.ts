// weft deploy static: the page alone, for any web server. The browser runs the model.
import { createHash } from "node:crypto";
import type { PageEngine } from "../../src/config/schemas/engines.ts";
import { ENGINES, ONNXRUNTIME_FILES } from "../page/engines.ts";
import type { StaticDeployment } from "../page/static_deployment.ts";
import type { ModelList } from "../page/worker_computer.ts";
import type { ArtefactName, Artefacts } from "./artefacts.ts";
import type { CheckedBundle, Platform } from "./deploy.ts";
import { readGpuFile } from "./file_onnxruntime_webgpu.ts";

/** Files of the page as they are called in a deployment; the service worker stands alone. */
const pageFiles = {
  "index.html": "static/index.html",
  "style.css": "static/style.css",
  "page.js": "static/page.js",
  "translator_worker.js": "static/translator_worker.js",
  "quantised.wasm": "quantised.wasm",
  "quantised_relaxed.wasm": "quantised_relaxed.wasm",
} as const satisfies Record<string, ArtefactName>;

const MODELS = "models.json";

/** The page with our own kernels alone. */
export const staticPlatform: Platform = staticPlatformWith("weft");

/** @param engine what visitors may choose, beside our own kernels, to compute. */
export function staticPlatformWith(engine: PageEngine): Platform {
  return {
    bundleFolder: "bundle",
    async files(bundles, artefacts) {
      const files: Record<string, string | Uint8Array> = {};
      for (const [name, artefact] of Object.entries(pageFiles)) {
        files[name] = await artefacts(artefact);
      }
      const late = engine === "weft" ? {} : await gpuEngine(artefacts);
      const models = bundles.map(({ name }) => name);
      const list: ModelList = { models, engines: engine === "weft" ? ["weft"] : ["weft", engine] };
      files[MODELS] = `${JSON.stringify(list)}\n`;
      const worker = new TextDecoder().decode(await artefacts("static/service_worker.js"));
      const contents = [...Object.values(files), ...Object.values(late), worker];
      const deployment: StaticDeployment = {
        version: versionOf(contents, bundles),
        // A browser asks for the page as the folder; web servers may lead index.html there.
        shell: Object.keys(files).map((name) => (name === "index.html" ? "./" : name)),
        late: hashesOf(late),
        models,
      };
      const first = `self.weftDeployment = ${JSON.stringify(deployment)};`;
      return {
        ...files,
        ...late,
        "service_worker.js": `${first}\n${worker}`,
        "README.txt": readme(models, engine),
      };
    },
  };
}

/** What visitors download only if they choose the engine. */
async function gpuEngine(artefacts: Artefacts): Promise<Record<string, Uint8Array>> {
  return {
    [ENGINES["onnxruntime-webgpu"].worker]: await artefacts("static/webgpu_worker.js"),
    [ONNXRUNTIME_FILES.library]: await readGpuFile("library"),
    [ONNXRUNTIME_FILES.wasm]: await readGpuFile("wasm"),
  };
}

const hashesOf = (files: Readonly<Record<string, Uint8Array>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [
      name,
      createHash("sha256").update(bytes).digest("hex").slice(0, 16),
    ]),
  );

/** Differs as soon as any file of the deployment does: manifests hold the hashes of their bundles. */
function versionOf(
  contents: readonly (string | Uint8Array)[],
  bundles: readonly CheckedBundle[],
): string {
  const hash = createHash("sha256");
  for (const content of contents) hash.update(createHash("sha256").update(content).digest());
  for (const { manifest } of bundles) hash.update(manifest.sha256);
  return hash.digest("hex").slice(0, 16);
}

const GPU_README = `
Visitors may have ONNX Runtime (onnxruntime.js and onnxruntime.wasm, MIT licence, Microsoft Corporation)
compute on their GPU: 17 MB that are downloaded once, when it is first chosen, and again only if a
new deployment brings another ONNX Runtime.
`;

const readme = (names: readonly string[], engine: PageEngine): string => `\
A page that translates with ${names.join(", ")}, in the browser of whoever visits it: no server
computes, and no text leaves the visitor's machine. After the first visit it also works offline.

Copy this folder to any web server, under any path: GitHub Pages, Cloudflare Pages, an object store,
nginx. Browsers run it over https only, or on localhost; to try it here:

  python3 -m http.server 8000     then open http://localhost:8000

No header needs to be set, and no file is larger than 24 MiB. To replace a deployment, copy the new
folder over it: browsers notice at their next visit, and fetch a model again only if it changed.
${engine === "weft" ? "" : GPU_README}`;

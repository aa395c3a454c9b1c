// Bundles the page: page.html for servers, all in one; and the files of a static deployment. edge/build.ts
// says why their names end in .asset.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { bundledSources, type WriteBundle } from "./bundled_sources.ts";

const here = import.meta.dirname;
const root = resolve(here, "../..");

/** What a static deployment's page may do: run its own files, and ask where it came from. */
const STATIC_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "worker-src 'self'; img-src data:; base-uri 'none'; form-action 'none'";

/**
 * Writes page.html and the folder static.
 *
 * @throws AggregateError with the bundler's messages.
 */
export async function buildPage(write: WriteBundle): Promise<void> {
  const page = readFileSync(join(here, "index.html"), "utf8");
  const style = readFileSync(join(here, "style.css"), "utf8");
  const [server, browser, translator, gpu, service] = await Promise.all([
    bundle("server_page.ts", "esm"),
    bundle("static_page.ts", "esm"),
    // Plain scripts: not every browser takes modules for service workers.
    bundle("translator_worker.ts", "iife"),
    bundle("webgpu_worker.ts", "iife"),
    bundle("service_worker.ts", "iife"),
  ]);
  const inlined = filled(
    page,
    `<style>${style}</style>`,
    `<script type="module">${server.text}</script>`,
  );
  const markup = ["edge/page/build.ts", "edge/page/index.html", "edge/page/style.css"];
  write("page.html.asset", inlined, [...markup, ...server.sources]);

  const policy = `<meta http-equiv="Content-Security-Policy" content="${STATIC_POLICY}" />`;
  const linked = filled(
    page,
    `${policy}<link rel="stylesheet" href="style.css" />`,
    '<script type="module" src="page.js"></script>',
  );
  const files: Readonly<Record<string, Bundle>> = {
    "index.html": { text: linked, sources: ["edge/page/build.ts", "edge/page/index.html"] },
    "style.css": { text: style, sources: ["edge/page/style.css"] },
    "page.js": browser,
    "translator_worker.js": translator,
    "webgpu_worker.js": gpu,
    "service_worker.js": service,
  };
  for (const [name, { text, sources }] of Object.entries(files)) {
    write(`static/${name}.asset`, text, sources);
  }
}

interface Bundle {
  readonly text: string;
  readonly sources: readonly string[];
}

async function bundle(entry: string, format: "esm" | "iife"): Promise<Bundle> {
  const built = await Bun.build({
    entrypoints: [join(here, entry)],
    target: "browser",
    format,
    minify: true,
    metafile: true,
  });
  const script = await built.outputs[0].text();
  // Within a page a script would end there, even in the middle of a string.
  const text = script.replaceAll("</script", "<\\/script");
  return { text, sources: bundledSources(root, built) };
}

/** The page with its two places filled. Functions, because a replacement's "$" has a meaning. */
const filled = (page: string, head: string, body: string): string =>
  page.replace("<!-- head -->", () => head).replace("<!-- body -->", () => body);

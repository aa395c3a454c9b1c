// Bundles the page: page.html for servers, all in one; and the files of a static deployment. edge/build.ts
// says why their names end in .asset.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;

/** What a static deployment's page may do: run its own files, and ask where it came from. */
const STATIC_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "worker-src 'self'; img-src data:; base-uri 'none'; form-action 'none'";

/**
 * Writes page.html and the folder static.
 *
 * @param write takes a path within the deployment's folder, and the text.
 * @throws AggregateError with the bundler's messages.
 */
export async function buildPage(write: (path: string, text: string) => void): Promise<void> {
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
    `<script type="module">${server}</script>`,
  );
  write("page.html.asset", inlined);

  const policy = `<meta http-equiv="Content-Security-Policy" content="${STATIC_POLICY}" />`;
  const linked = filled(
    page,
    `${policy}<link rel="stylesheet" href="style.css" />`,
    '<script type="module" src="page.js"></script>',
  );
  const files = {
    "index.html": linked,
    "style.css": style,
    "page.js": browser,
    "translator_worker.js": translator,
    "webgpu_worker.js": gpu,
    "service_worker.js": service,
  };
  for (const [name, text] of Object.entries(files)) write(join("static", `${name}.asset`), text);
}

async function bundle(entry: string, format: "esm" | "iife"): Promise<string> {
  const built = await Bun.build({
    entrypoints: [join(here, entry)],
    target: "browser",
    format,
    minify: true,
  });
  const text = await built.outputs[0].text();
  // Within a page a script would end there, even in the middle of a string.
  return text.replaceAll("</script", "<\\/script");
}

/** The page with its two places filled. Functions, because a replacement's "$" has a meaning. */
const filled = (page: string, head: string, body: string): string =>
  page.replace("<!-- head -->", () => head).replace("<!-- body -->", () => body);

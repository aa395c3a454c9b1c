// weft deploy deno, weft deploy bun: a server in one file with its bundles.
import type { Platform } from "./deploy.ts";

type Runtime = "bun" | "deno";

const START: Record<Runtime, string> = {
  bun: "bun server.js",
  deno: "deno run --allow-net --allow-read=. --allow-env server.js",
};

/** What the runtime looks for to learn how to start. */
const manifestOf: Record<Runtime, Record<string, string>> = {
  bun: { "package.json": json({ type: "module", scripts: { start: START.bun } }) },
  deno: { "deno.json": json({ tasks: { start: START.deno } }) },
};

export const serverPlatform = (runtime: Runtime): Platform => ({
  bundleFolder: "bundle",
  async files(bundles, artefacts) {
    return {
      ...manifestOf[runtime],
      "server.js": await artefacts("server.js"),
      "translator_thread.js": await artefacts("translator_thread.js"),
      "quantised.wasm": await artefacts("quantised.wasm"),
      "quantised_relaxed.wasm": await artefacts("quantised_relaxed.wasm"),
      "README.txt": readme(
        runtime,
        bundles.map(({ name }) => name),
      ),
    };
  },
});

const readme = (runtime: Runtime, names: readonly string[]): string => `\
Translation server for ${names.join(", ")}. Nothing needs to be installed but ${runtime}.

  ${START[runtime]}

Settings, all from the environment:

  PORT                 port to listen on (8080)
  HOST                 address to listen on (0.0.0.0: all of the machine)
  WEFT_THREADS         threads that translate, each with a copy of the weights (1);
                       0 for hosts without threads
  WEFT_TOKENS          bearer tokens, separated by commas (unset: open to all who reach it)
  WEFT_ORIGINS         origins whose pages may call the server, separated by commas
  WEFT_MAX_CONCURRENT  requests that run at the same time (8)

GET /docs describes the requests, GET /readyz tells when the models are loaded. SIGTERM lets
running requests end.
`;

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

// weft deploy workerd: a worker for Cloudflare, and for the workerd that anybody can run.
import { UserError } from "../../src/config/user_error.ts";
import type { CheckedBundle, Platform } from "./deploy.ts";

/** Workers have 128 MiB for JavaScript and WebAssembly together; this much may be weights. */
const WEIGHT_BYTES = 64 * 2 ** 20;

/** Old enough for the wrangler that Node 20 still runs. */
const COMPATIBILITY_DATE = "2026-04-01";

/**
 * Has request.signal abort when a client goes away. workerd itself notices that when the connection is reset:
 * whoever only closes it might still read.
 */
const COMPATIBILITY_FLAG = "enable_request_signal";

export const workerdPlatform: Platform = {
  bundleFolder: "assets",
  async files(bundles, artefacts) {
    refuseTooLarge(bundles);
    const names = bundles.map(({ name }) => name);
    return {
      "worker.js": await artefacts("worker.js"),
      "quantised_relaxed.wasm": await artefacts("quantised_relaxed.wasm"),
      "wrangler.jsonc": wrangler(names),
      "config.capnp": capnp(names),
      "README.txt": readme(names),
    };
  },
};

function refuseTooLarge(bundles: readonly CheckedBundle[]): void {
  const bytes = bundles
    .flatMap(({ manifest }) => manifest.shards.map((name) => manifest.files[name].bytes))
    .reduce((sum, shard) => sum + shard, 0);
  if (bytes <= WEIGHT_BYTES) return;
  const mebibytes = (bytes / 2 ** 20).toFixed(0);
  throw new UserError({
    place: bundles.map(({ folder }) => folder).join(", "),
    problem: `${mebibytes} MiB of weights do not fit a worker, which has 128 MiB for everything`,
    remedy: "export with --quantize int8 or int4, or deploy one model to each worker",
  });
}

/** With run_worker_first nobody reads the bundles but the worker. */
const wrangler = (names: readonly string[]): string => `\
{
  "name": "weft-${names[0]?.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-")}",
  "main": "worker.js",
  "compatibility_date": "${COMPATIBILITY_DATE}",
  "compatibility_flags": ["${COMPATIBILITY_FLAG}"],
  "assets": { "directory": "assets", "binding": "ASSETS", "run_worker_first": true },
  "vars": { "WEFT_MODELS": "${names.join(",")}" },
  // A translation takes more processor time than the free plan's 10 ms.
  "limits": { "cpu_ms": 30000 }
}
`;

const capnp = (names: readonly string[]): string => `\
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .weft),
    (name = "assets", disk = (path = "assets")),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "main")],
);

const weft :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "./quantised_relaxed.wasm", wasm = embed "quantised_relaxed.wasm"),
  ],
  bindings = [
    (name = "ASSETS", service = "assets"),
    (name = "WEFT_MODELS", text = "${names.join(",")}"),
  ],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  compatibilityFlags = ["${COMPATIBILITY_FLAG}"],
);
`;

const readme = (names: readonly string[]): string => `\
Translation worker for ${names.join(", ")}.

  npx -y workerd serve config.capnp  here, at http://127.0.0.1:8787
  npx wrangler dev                   the same in wrangler
  npx wrangler deploy                to Cloudflare (a paid plan: translating takes processor time)

Bearer tokens, separated by commas, so that not everybody may ask:

  npx wrangler secret put WEFT_TOKENS

GET /docs describes the requests.
`;

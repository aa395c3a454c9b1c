// The worker for Cloudflare's workerd. Nothing is computed or read before the first request: a worker's
// global scope may do no input or output.
import wasm from "../../build/quantised_relaxed.wasm";
import type { BundleSource } from "../runtime/bundle.ts";
import { openTranslator } from "../runtime/open_translator.ts";
import { createModels } from "../server/models.ts";
import { createServer, type EdgeServer } from "../server/server.ts";
import page from "./bundled_page.ts";
import { commaList } from "./comma_list.ts";

/** What wrangler.jsonc or config.capnp binds. */
interface Environment {
  /** The folder of bundles. */
  readonly ASSETS: { fetch(url: string): Promise<Response> };
  /** Names of the bundles, separated by commas. */
  readonly WEFT_MODELS: string;
  /** Bearer tokens separated by commas, as a secret; without it the worker is open to all. */
  readonly WEFT_TOKENS?: string;
  /** Origins whose pages may call the worker, separated by commas. */
  readonly WEFT_ORIGINS?: string;
}

/** What workerd gives along with a request. */
interface Context {
  waitUntil(work: Promise<unknown>): void;
}

/** Of the 128 MiB that a worker has, what is left for WebAssembly beside JavaScript's own. */
const MEMORY_BYTES = 104 * 2 ** 20;

/** workerd compiles what is imported with this ending; elsewhere the import would be a path. */
const kernels = wasm as unknown as WebAssembly.Module;

let server: Promise<EdgeServer> | undefined;

export default {
  async fetch(request: Request, environment: Environment, context: Context): Promise<Response> {
    server ??= start(environment);
    try {
      return await (await server).fetch(request, environment, context);
    } catch (error) {
      server = undefined; // the next request tries again
      throw error;
    }
  },
};

async function start(environment: Environment): Promise<EdgeServer> {
  const models = createModels();
  const names = commaList(environment.WEFT_MODELS);
  for (const name of names) {
    await models.load(name, () =>
      openTranslator(assets(environment, name), kernels, MEMORY_BYTES / names.length),
    );
  }
  const given = commaList(environment.WEFT_TOKENS);
  const tokens = given.length > 0 ? given : undefined;
  const origins = commaList(environment.WEFT_ORIGINS);
  // One thread computes: what runs beside it only waits for its share.
  return createServer({
    models,
    tokens,
    origins,
    page,
    limits: { max_concurrent: 8, max_queue: 32 },
  });
}

const assets = ({ ASSETS }: Environment, name: string): BundleSource => ({
  place: name,
  async read(file) {
    const response = await ASSETS.fetch(`https://assets/${name}/${file}`);
    if (!response.ok) throw new Error(`the assets answer ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  },
});

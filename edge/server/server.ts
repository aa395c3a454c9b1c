// The app: routes, and what stands before them. Runs wherever there are Request and Response.
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import type * as z from "zod";
import { requireBearer } from "./bearer.ts";
import type { Endpoint } from "./endpoint.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";
import { createGate } from "./gate.ts";
import { createGenerate } from "./generate.ts";
import { limits as limitsSchema } from "./limits.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { LoadedModel, ModelPool } from "./models.ts";
import { createOpenApi, type OpenApi } from "./openapi.ts";
import { pageHandler } from "./page_handler.ts";
import { toProblem } from "./problem.ts";
import { createQueue } from "./queue.ts";
import { referencePage } from "./reference_page.ts";
import { brokenModel, draining, noModel, noSuchRoute, wrongMethod } from "./refusals.ts";
import { createScore } from "./score.ts";
import { createService, type Host, type Service } from "./service.ts";
import { createTranslate } from "./translate.ts";

export interface ServerOptions {
  readonly models: ModelPool;
  /** What is not given has the default that the schema names. */
  readonly limits?: z.input<typeof limitsSchema>;
  /** Bearer tokens, any of which opens /v1 and /metrics; without them both are open to all. */
  readonly tokens?: readonly string[];
  /** Origins whose pages may call /v1, or "*"; none: only pages of this server. */
  readonly origins?: readonly string[];
  /** HTML for /; without it / leads to /docs. */
  readonly page?: string;
  /** Told of every failure that is the server's own; default: the console. */
  readonly report?: (error: unknown) => void;
}

/** Its environment is what a request's host can do. */
type App = Hono<{ Bindings: Host }>;

export interface EdgeServer {
  /** For Bun.serve, Deno.serve, a worker's default export (which hands over the third argument). */
  readonly fetch: (request: Request, environment?: unknown, host?: Host) => Promise<Response>;
  /** Refuses new requests from now on; resolves when the running ones have ended. */
  drain(): Promise<void>;
  /** What /openapi.json answers. */
  readonly openapi: OpenApi;
  /** The app itself, to be mounted in another. */
  readonly app: App;
}

/** @throws ZodError for limits that the schema refuses. @throws UserError for bad tokens. */
export function createServer(options: ServerOptions): EdgeServer {
  const { models, tokens, origins = [], report = console.error } = options;
  const limits = limitsSchema.parse(options.limits ?? {});
  const queue = createQueue({ concurrent: limits.max_concurrent, waiting: limits.max_queue });
  const gate = createGate();
  const metrics = createMetrics(queue, models);
  const service = createService({ limits, models, queue, gate, metrics, report });
  const endpoints = [createTranslate, createGenerate, createScore].map((create) => create(limits));
  const openapi = createOpenApi(endpoints, tokens !== undefined);
  const paths = Object.keys(openapi.paths);

  const app: App = new Hono();
  app.onError((error) => {
    if (error instanceof HTTPException) return error.getResponse();
    return toProblem(error, report).response();
  });
  app.notFound(({ req }) => noSuchRoute(req.path, paths).response());
  app.use(measured(metrics, new Set(paths)));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: ({ req }, methods) =>
        wrongMethod(req.method, req.path, methods).response(),
    }),
  );
  if (origins.length > 0) app.use("/v1/*", cors(corsOptions(origins)));
  if (tokens !== undefined) {
    const locked = requireBearer(tokens);
    app.use("/v1/*", locked);
    app.use("/metrics", locked);
  }
  routeEndpoints(app, endpoints, service);
  app.get("/v1/models", (c) => c.json({ models: models.list().map(modelAnswer) }));
  app.get("/healthz", (c) => c.json({ status: "alive" }));
  app.get("/readyz", (c) => {
    if (gate.isClosed) throw draining();
    const loaded = models.list();
    if (loaded.length === 0 || loaded.length < models.names().length) throw noModel();
    const broken = loaded.find(({ translator }) => !translator.isReady);
    if (broken) throw brokenModel(broken.name);
    return c.json({ status: "ready" });
  });
  app.get("/metrics", (c) => c.text(metrics.text(), 200, { "content-type": EXPOSITION_TYPE }));
  app.get("/openapi.json", (c) => c.json(openapi));
  app.get("/docs", (c) => docs(c, openapi));
  const { page } = options;
  app.get("/", page === undefined ? (c) => c.redirect("docs") : pageHandler(page));

  return {
    app,
    openapi,
    fetch: async (request, _, host) =>
      await app.fetch(request, { waitUntil: host?.waitUntil?.bind(host) }),
    drain: () => gate.close(),
  };
}

function routeEndpoints(app: App, endpoints: readonly Endpoint[], service: Service): void {
  for (const endpoint of endpoints) {
    app.post(endpoint.path, (c) => service(endpoint, c.req.raw, c.env));
  }
}

/** Counts answers and their time; a stream tells its own time when it ends. */
function measured(metrics: Metrics, paths: ReadonlySet<string>) {
  return async (c: Context, next: () => Promise<void>): Promise<void> => {
    const begin = Date.now();
    await next();
    const route = paths.has(c.req.path) ? c.req.path : "other";
    metrics.answered(route, c.res.status);
    const isStream = c.res.headers.get("content-type") === "text/event-stream";
    if (!isStream) metrics.took(route, Date.now() - begin);
    c.res.headers.set("x-content-type-options", "nosniff");
  };
}

function corsOptions(origins: readonly string[]) {
  return {
    origin: origins.includes("*") ? "*" : [...origins],
    allowMethods: ["GET", "POST"],
    allowHeaders: ["authorization", "content-type"],
    exposeHeaders: ["retry-after"],
    maxAge: 600,
  };
}

function docs(c: Context, openapi: OpenApi): Response | Promise<Response> {
  c.header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'");
  return c.html(referencePage(openapi));
}

function modelAnswer({ name, translator, loadedAt }: LoadedModel) {
  const { card, quantize } = translator.manifest;
  const { source_lang, target_lang, licence, parameters, scores } = card;
  return {
    name,
    source_lang,
    target_lang,
    licence,
    parameters,
    quantize,
    engine: translator.engine,
    max_source_tokens: translator.maxSourceTokens,
    loaded_at: loadedAt.toISOString(),
    scores,
  };
}

// openapi.json: made of the schemas that requests are checked with.
import * as z from "zod";
import { version } from "../../src/version.ts";
import { errorAnswer, modelsAnswer, statusAnswer } from "./answer_schemas.ts";
import type { Endpoint } from "./endpoint.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";

export type JsonSchema = z.core.JSONSchema.BaseSchema;

export interface Media {
  readonly schema: JsonSchema;
  readonly example?: object;
}

export interface Answer {
  readonly description: string;
  readonly content?: Readonly<Record<string, Media>>;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly object[];
  readonly requestBody?: {
    readonly required: true;
    readonly content: { readonly "application/json": Media };
  };
  readonly responses: Readonly<Record<string, Answer>>;
}

/** As far as we use it: OpenAPI 3.1, whose schemas are JSON Schema 2020-12. */
export interface OpenApi {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, { readonly get?: Operation; readonly post?: Operation }>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes?: object;
  };
}

/** Statuses of refusals, and when they come. */
const REFUSALS: Readonly<Record<string, string>> = {
  400: "the body is not JSON in UTF-8, or broke off",
  401: "the bearer token is missing or wrong",
  404: "there is no such model",
  408: "the body came too slowly, or the deadline passed",
  413: "the body is too long",
  415: "the body is not application/json",
  422: "a field is wrong; the answer names it",
  429: "too many requests are waiting; the header retry-after tells how many seconds to wait",
  503: "no model is loaded, or the server is about to stop",
};

const EVENTS =
  "With stream: events `partial` ({index, text}: a text of the request as far as it is known), " +
  "then `final` (this answer) or `error` ({error}).";

/** @param secured whether bearer tokens are asked for. */
export function createOpenApi(endpoints: readonly Endpoint[], secured: boolean): OpenApi {
  const schemas: Record<string, JsonSchema> = {
    Models: schemaOf(modelsAnswer, "output"),
    Status: schemaOf(statusAnswer, "output"),
    Error: schemaOf(errorAnswer, "output"),
  };
  for (const { name, request, answer } of endpoints) {
    schemas[`${name}Request`] = schemaOf(request, "input");
    schemas[`${name}Answer`] = schemaOf(answer, "output");
  }
  const security = secured ? [{ bearer: [] }] : undefined;
  const posts = endpoints.map((endpoint) => [endpoint.path, { post: post(endpoint, security) }]);
  return {
    openapi: "3.1.0",
    info: {
      title: "weft",
      version,
      description:
        "Translation by sequence models. Every refusal has the body " +
        '{"error": {"code", "message", "field", "remedy"}}.',
    },
    paths: { ...Object.fromEntries(posts), ...reads(security) },
    components: {
      schemas,
      ...(secured && { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } }),
    },
  };
}

function post(endpoint: Endpoint, security: readonly object[] | undefined): Operation {
  const { name, summary, description, example, streams } = endpoint;
  const refusals = Object.entries(REFUSALS).map(([status, why]) => [status, refusal(why)]);
  return {
    operationId: name.toLowerCase(),
    summary,
    description: streams ? `${description} ${EVENTS}` : description,
    security,
    requestBody: {
      required: true,
      content: {
        "application/json": { schema: reference(`${name}Request`), example: example.request },
      },
    },
    responses: {
      200: {
        description: "the result",
        content: {
          "application/json": { schema: reference(`${name}Answer`), example: example.answer },
          ...(streams && { "text/event-stream": { schema: { type: "string" } } }),
        },
      },
      ...Object.fromEntries(refusals),
    },
  };
}

/** What GET answers. */
function reads(security: readonly object[] | undefined): OpenApi["paths"] {
  const status = (description: string) => json("Status", description);
  const text = (type: string): Answer => ({
    description: "the page",
    content: { [type]: { schema: { type: "string" } } },
  });
  const locked = security && { 401: refusal(REFUSALS[401]) };
  const table: Record<string, Omit<Operation, "operationId">> = {
    "/v1/models": {
      summary: "List the loaded models",
      security,
      responses: { 200: json("Models", "the models"), ...locked },
    },
    "/healthz": {
      summary: "Tell whether the server lives",
      responses: { 200: status("it does") },
    },
    "/readyz": {
      summary: "Tell whether requests would be answered",
      responses: { 200: status("they would"), 503: refusal(REFUSALS[503]) },
    },
    "/metrics": {
      summary: "Metrics for Prometheus",
      security,
      responses: { 200: text(EXPOSITION_TYPE), ...locked },
    },
    "/openapi.json": {
      summary: "This document",
      responses: {
        200: {
          description: "OpenAPI 3.1",
          content: { "application/json": { schema: { type: "object" } } },
        },
      },
    },
    "/docs": {
      summary: "This document as a page",
      responses: { 200: text("text/html; charset=utf-8") },
    },
    "/": {
      summary: "A page to try the models",
      responses: { 200: text("text/html; charset=utf-8") },
    },
  };
  const paths = Object.entries(table).map(([path, operation]) => {
    const operationId = path.replace(/^\/(v1\/)?/, "").replace(/\W/g, "_") || "page";
    return [path, { get: { operationId, ...operation } }];
  });
  return Object.fromEntries(paths);
}

function json(name: string, description: string): Answer {
  return { description, content: { "application/json": { schema: reference(name) } } };
}

const refusal = (why: string): Answer => json("Error", why);

function reference(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io });
  return json as JsonSchema;
}

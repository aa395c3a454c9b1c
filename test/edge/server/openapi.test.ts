import { expect, test } from "bun:test";
import * as z from "zod";
import type { JsonSchema, OpenApi } from "../../../edge/server/openapi.ts";
import { startServer } from "./harness.ts";

type Operation = NonNullable<OpenApi["paths"][string]["post"]>;

interface Route {
  readonly method: "get" | "post";
  readonly path: string;
  readonly operation: Operation;
}

function routesOf(openapi: OpenApi): Route[] {
  return Object.entries(openapi.paths).flatMap(([path, item]) =>
    (["get", "post"] as const).flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ method, path, operation }];
    }),
  );
}

/** All values of a key, at any depth. */
function valuesOf(key: string, value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...valuesOf(key, inner),
  ]);
}

test("openapi.json has every route of the app, and the app every route of openapi.json", async () => {
  const { server } = await startServer({ tokens: ["t"], origins: ["*"] });
  const routed = server.app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`);
  const documented = routesOf(server.openapi).map(
    ({ method, path }) => `${method.toUpperCase()} ${path}`,
  );
  expect(routed.sort()).toEqual(documented.sort());
});

test("openapi.json is whole: references lead somewhere, names are unique, answers are described", async () => {
  const { get } = await startServer({ tokens: ["t"] });
  const openapi = (await (await get("/openapi.json")).json()) as OpenApi;
  expect(openapi.openapi).toBe("3.1.0");
  const names = Object.keys(openapi.components.schemas).map(
    (name) => `#/components/schemas/${name}`,
  );
  const references = [...new Set(valuesOf("$ref", openapi).map(String))];
  expect(references.sort()).toEqual(names.sort());
  const routes = routesOf(openapi);
  const ids = routes.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { operation } of routes) {
    expect(operation.summary).not.toBe("");
    for (const { description } of Object.values(operation.responses)) {
      expect(description).not.toBe("");
    }
  }
});

test("every field of a request is described", async () => {
  const { server } = await startServer();
  const requests = Object.entries(server.openapi.components.schemas).filter(([name]) =>
    name.endsWith("Request"),
  );
  expect(requests).toHaveLength(3);
  const silent = requests.flatMap(([name, schema]) =>
    Object.entries(schema.properties ?? {})
      .filter(([, field]) => typeof field === "boolean" || !field.description)
      .map(([key]) => `${name}.${key}`),
  );
  expect(silent).toEqual([]);
});

test("the limits of a server stand in its openapi.json", async () => {
  const { server } = await startServer({
    limits: { max_beam: 2, max_texts: 3, max_text_length: 9 },
  });
  const { TranslateRequest } = server.openapi.components.schemas;
  const { beam, text } = TranslateRequest.properties as Record<string, JsonSchema>;
  expect(beam).toMatchObject({ minimum: 1, maximum: 2, default: 2 });
  expect(text.anyOf).toMatchObject([{ maxLength: 9 }, { maxItems: 3, items: { maxLength: 9 } }]);
});

test("the examples of openapi.json are answered, and look like the example answers", async () => {
  const { server, post } = await startServer();
  for (const { path, operation } of routesOf(server.openapi)) {
    const request = operation.requestBody?.content["application/json"].example;
    if (request === undefined) continue;
    const response = await post(path, request);
    expect(response.status).toBe(200);
    const schema = answerSchema(server.openapi, operation);
    const example = operation.responses[200].content?.["application/json"].example;
    expect(schema.safeParse(example).error).toBe(undefined);
    expect(schema.safeParse(await response.json()).error).toBe(undefined);
  }
});

test("GET answers follow the document", async () => {
  const { server, get } = await startServer({ page: "<p>" });
  for (const { method, path, operation } of routesOf(server.openapi)) {
    if (method !== "get") continue;
    const response = await get(path);
    expect(response.status).toBe(200);
    const [type] = Object.keys(operation.responses[200].content ?? {});
    expect(response.headers.get("content-type")?.toLowerCase()).toBe(type);
    if (type !== "application/json") continue;
    expect(answerSchema(server.openapi, operation).safeParse(await response.json()).error).toBe(
      undefined,
    );
  }
});

test("GET /docs shows every route and field, and loads nothing from elsewhere", async () => {
  const { server, get } = await startServer();
  const response = await get("/docs");
  expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  const page = await response.text();
  for (const { path, operation } of routesOf(server.openapi)) {
    expect(page).toContain(`${path}</code></h2>`);
    expect(page).toContain(operation.summary);
  }
  expect(page).toContain("<code>sampling.topk</code>");
  expect(page).toContain("from 1 to 16");
  expect(page).not.toMatch(/(src|href)="(https?:)?\/\//);
  expect(page).not.toContain("<script");
  expect(page).not.toContain("[object");
});

/** What a 200 of an operation must look like, as the document says. */
function answerSchema(openapi: OpenApi, operation: Operation): z.ZodType {
  const schema = operation.responses[200].content?.["application/json"].schema ?? {};
  const name = schema.$ref?.replace("#/components/schemas/", "");
  return z.fromJSONSchema(name === undefined ? schema : openapi.components.schemas[name]);
}

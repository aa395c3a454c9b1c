// The page at /docs: openapi.json for people. One file of HTML without scripts.
import { html, raw } from "hono/html";
import type { JsonSchema, OpenApi, Operation } from "./openapi.ts";

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }
h2 { margin-top: 3rem; font-size: 1.2rem; }
code, pre { font: 0.9em/1.45 ui-monospace, monospace; }
pre { background: #f4f4f2; padding: 0.8rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem 0.3rem 0;
  border-bottom: 1px solid #ddd; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818; } pre { background: #242424; }
  th, td { border-color: #444; } a { color: #8cf; }
}`;

/** All operations with their fields, examples and refusals. */
export function referencePage(document: OpenApi): string {
  const operations = Object.entries(document.paths).flatMap(([path, { get, post }]) => [
    ...(post ? [section("POST", path, post, document)] : []),
    ...(get ? [section("GET", path, get, document)] : []),
  ]);
  return String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${document.info.title} ${document.info.version}: reference</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<h1>${document.info.title} ${document.info.version}</h1>
<p>${document.info.description} For programs: <a href="openapi.json">openapi.json</a>.</p>
${operations}
</body>
</html>
`);
}

type Markup = ReturnType<typeof html>;

function section(method: string, path: string, operation: Operation, document: OpenApi): Markup {
  const { summary, description, requestBody, responses, security } = operation;
  const request = requestBody?.content["application/json"];
  const answer = responses[200]?.content?.["application/json"];
  return html`<h2 id="${operation.operationId}"><code>${method} ${path}</code></h2>
<p>${summary}.${security ? " Asks for a bearer token." : ""} ${description ?? ""}</p>
${request ? fields(resolved(request.schema, document)) : ""}
${request?.example ? html`<pre>${curl(path, request.example)}</pre>` : ""}
${answer?.example ? html`<pre>${JSON.stringify(answer.example, undefined, 2)}</pre>` : ""}
<table>${Object.entries(responses).map(
    ([status, { description }]) => html`<tr><th>${status}</th><td>${description}</td></tr>`,
  )}</table>
`;
}

function curl(path: string, example: object): string {
  const body = JSON.stringify(example).replaceAll("'", "\\u0027");
  return `curl -H 'content-type: application/json' -d '${body}' http://localhost:8080${path}`;
}

function resolved(schema: JsonSchema, document: OpenApi): JsonSchema {
  const name = schema.$ref?.replace("#/components/schemas/", "");
  return name === undefined ? schema : (document.components.schemas[name] ?? schema);
}

function fields(schema: JsonSchema): Markup {
  const rows = rowsOf(schema, "").map(
    ({ name, type, normally, description }) => html`<tr><td><code>${name}</code></td>
<td>${type}</td><td>${normally}</td><td>${description}</td></tr>`,
  );
  return html`<table><tr><th>field</th><th>value</th><th>default</th><th></th></tr>${rows}</table>`;
}

interface Row {
  readonly name: string;
  readonly type: string;
  readonly normally: string;
  readonly description: string;
}

/** The fields of an object, those of an object within it behind it: "sampling.topk". */
function rowsOf(schema: JsonSchema, prefix: string): Row[] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    if (typeof property === "boolean") return [];
    const field = property as JsonSchema;
    const name = `${prefix}${key}`;
    const fallback = field.default === undefined ? "" : JSON.stringify(field.default);
    const normally = required.has(key) ? "required" : fallback;
    const row = { name, type: typeText(field), normally, description: field.description ?? "" };
    return [row, ...rowsOf(field, `${name}.`)];
  });
}

function typeText(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map((each) => typeText(each as JsonSchema)).join(", or ");
  const { minimum, maximum, maxLength, maxItems, items } = schema;
  if (schema.type === "array") {
    return `at most ${maxItems} of: ${typeText((items ?? {}) as JsonSchema)}`;
  }
  if (maxLength !== undefined) return `text up to ${maxLength}`;
  const range = minimum === undefined ? "" : ` from ${minimum} to ${maximum}`;
  return `${schema.type}${range}`;
}

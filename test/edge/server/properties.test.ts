// Requests made from openapi.json, good ones and bad ones: what it allows is answered as it says,
// what it forbids is refused, and nothing makes the server fail.
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import * as z from "zod";
import type { JsonSchema } from "../../../edge/server/openapi.ts";
import { startServer } from "./harness.ts";

const { server, post, reported } = await startServer({ fake: { maxSourceTokens: 1e6 } });
const { schemas } = server.openapi.components;
const errorSchema = z.fromJSONSchema(schemas.Error);

type Body = Record<string, unknown>;

/** Values that a schema allows; texts are kept short. */
function allowedBy(schema: JsonSchema): fc.Arbitrary<unknown> {
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((each) => allowedBy(each as JsonSchema)));
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: schema.minimum, max: schema.maximum });
    case "number":
      return fc.double({ min: schema.minimum, max: schema.maximum, noNaN: true });
    case "array": {
      const items = allowedBy(schema.items as JsonSchema);
      return fc.array(items, { minLength: schema.minItems, maxLength: 3 });
    }
    case "object": {
      const fields = Object.entries(schema.properties ?? {}).map(([key, field]) => [
        key,
        allowedBy(field as JsonSchema),
      ]);
      return fc.record(Object.fromEntries(fields), {
        requiredKeys: [...(schema.required ?? [])] as never[],
      });
    }
    default: {
      const pattern = new RegExp(schema.pattern ?? "", "u");
      const text = fc.string({ unit: "binary", maxLength: 30 });
      return text.filter((each) => pattern.test(each));
    }
  }
}

/** What no schema can say: how fields go together, and which models there are. */
function fits(body: Body): boolean {
  const { beam = 5, nbest = 1, min_len = 1, max_len = 200, source, target, model = "fake" } = body;
  return (
    Number(nbest) <= Number(beam) &&
    Number(min_len) <= Number(max_len) &&
    [source].flat().length === [target].flat().length &&
    model === "fake"
  );
}

for (const name of ["Translate", "Generate", "Score"]) {
  const path = `/v1/${name.toLowerCase()}`;
  const answerSchema = z.fromJSONSchema(schemas[`${name}Answer`]);
  const bodies = allowedBy(schemas[`${name}Request`]) as fc.Arbitrary<Body>;

  test(`POST ${path} answers what openapi.json allows, as it says`, async () => {
    await fc.assert(
      fc.asyncProperty(bodies, async ({ model: _, stream: __, ...body }) => {
        const response = await post(path, body);
        expect(response.status).toBe(fits(body) ? 200 : 422);
        const schema = response.status === 200 ? answerSchema : errorSchema;
        expect(schema.safeParse(await response.json()).error).toBe(undefined);
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  test(`POST ${path} refuses a wrong field by its name`, async () => {
    const keys = Object.keys(schemas[`${name}Request`].properties ?? {});
    const wrong = fc.record({ body: bodies, key: fc.constantFrom(...keys), value: fc.jsonValue() });
    await fc.assert(
      fc.asyncProperty(wrong, async ({ body: { model: _, stream: __, ...good }, key, value }) => {
        const body: Body = { ...good, [key]: value };
        const response = await post(path, body);
        expect(response.status).toBeLessThan(500);
        if (response.status === 200) return;
        const answer = await response.json();
        expect(errorSchema.safeParse(answer).error).toBe(undefined);
        // Another field only where two contradict each other.
        const { field } = (answer as { error: { field: string } }).error;
        expect(!fits(body) || field.startsWith(key)).toBe(true);
      }),
      { numRuns: 300, seed: 2 },
    );
  });

  test(`POST ${path} never fails, whatever JSON it gets`, async () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.string({ unit: "binary", maxLength: 12 }), fc.jsonValue()),
    );
    const statuses = Object.keys(server.openapi.paths[path].post?.responses ?? {});
    await fc.assert(
      fc.asyncProperty(anything, async (body) => {
        const response = await post(path, body);
        expect(statuses).toContain(String(response.status));
        expect(response.status).toBeLessThan(500);
        expect(errorSchema.safeParse(await response.json()).error).toBe(undefined);
      }),
      { numRuns: 300, seed: 3 },
    );
    expect(reported).toEqual([]);
  });
}

import { expect, test } from "bun:test";
import { limits } from "../../../edge/server/limits.ts";
import { fieldsOf } from "../../../src/config/field.ts";
import { errorOf, jsonRequest, startServer } from "./harness.ts";

const { post } = await startServer({ limits: { max_texts: 2, max_text_length: 10 } });

/** Body, field, message, remedy. */
const cases: readonly (readonly [unknown, string, string, string])[] = [
  [{}, "text", "is missing", "give a text, or a list of texts"],
  [{ text: 5 }, "text", "is 5", "give a text, or a list of texts"],
  [{ text: { a: 1 } }, "text", "is an object", "give a text, or a list of texts"],
  [{ text: ["a", 5] }, "text[1]", "is 5", "give a text"],
  [{ text: [] }, "text", "has 0 items", "give at least one"],
  [{ text: ["a", "b", "c"] }, "text", "has 3 items", "give at most 2"],
  [{ text: "12345678901" }, "text", "is 11 UTF-16 units long", "give at most 10"],
  [{ text: "a", beam: 17 }, "beam", "17 is out of range", "give a whole number from 1 to 16"],
  [{ text: "a", beam: 1.5 }, "beam", "is 1.5", "give a whole number from 1 to 16"],
  [{ text: "a", beam: "five" }, "beam", 'is "five"', "give a whole number from 1 to 16"],
  [{ text: "a", stream: 1 }, "stream", "is 1", "give true or false"],
  [{ text: "a", lenpen: null }, "lenpen", "is null", "give a number from -10 to 10"],
  [{ text: "a", baem: 3 }, "baem", "is not a field of this request", "did you mean beam?"],
  [
    { text: "a", nbest: 6 },
    "nbest",
    "is more than beam",
    "give at most as many as beam, or a wider beam",
  ],
  [[], "body", "is a list", "give an object with text"],
];

for (const [body, field, message, remedy] of cases) {
  test(`a request of ${JSON.stringify(body)} is told that ${field} ${message}`, async () => {
    const error = await errorOf(await post("/v1/translate", body));
    expect(error).toEqual({ status: 422, code: "invalid", field, message, remedy });
  });
}

test("fields of an object within a request are told by their path", async () => {
  const wrong = await post("/v1/generate", { text: "a", sampling: { topp: 2 } });
  expect(await errorOf(wrong)).toMatchObject({
    ...{
      field: "sampling.topp",
      message: "2 is out of range",
      remedy: "give a number from 0 to 1",
    },
  });
  const unknown = await post("/v1/generate", { text: "a", sampling: { topq: 1, seed: 3 } });
  expect(await errorOf(unknown)).toMatchObject({
    ...{ field: "sampling.topq", remedy: "did you mean topk?" },
  });
});

test("no more bodies are read at a time than max_uploads", async () => {
  const { server } = await startServer({ limits: { max_uploads: 1 } });
  let finish = (): void => undefined;
  const slowly = new ReadableStream<Uint8Array>({
    start(controller) {
      finish = () => {
        controller.enqueue(new TextEncoder().encode('{"text":"a"}'));
        controller.close();
      };
    },
  });
  const init = { headers: { "content-type": "application/json" }, duplex: "half" };
  const first = server.fetch(jsonRequest("/v1/translate", slowly, init as RequestInit));
  const second = await server.fetch(jsonRequest("/v1/translate", '{"text":"b"}'));
  expect(second.headers.get("retry-after")).toBe("1");
  expect(await errorOf(second)).toMatchObject({ status: 429, code: "too_many_uploads" });
  finish();
  expect((await first).status).toBe(200);
  expect((await server.fetch(jsonRequest("/v1/translate", '{"text":"b"}'))).status).toBe(200);
});

test("a body is counted by its bytes, whatever content-length says", async () => {
  const { server } = await startServer({ limits: { max_body_bytes: 1024 } });
  const send = (bytes: number, length: string) =>
    server.fetch(
      jsonRequest("/v1/translate", `{"text":"a"}${" ".repeat(bytes - 12)}`, {
        headers: { "content-type": "application/json", "content-length": length },
      }),
    );
  expect((await send(1024, "1024")).status).toBe(200);
  expect(await errorOf(await send(1025, "10"))).toMatchObject({ code: "body_too_large" });
  expect((await send(1025, "1025")).status).toBe(413);
});

test("limits can be flags: every one is described and has a default", () => {
  const fields = fieldsOf("server", limits);
  expect(fields.map(({ flag }) => flag)).toContain("--max-concurrent");
  const poor = fields.filter(
    ({ description, default: fallback }) => description === "" || fallback === undefined,
  );
  expect(poor.map(({ key }) => key)).toEqual([]);
});

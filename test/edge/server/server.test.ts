import { expect, test } from "bun:test";
import { createModels } from "../../../edge/server/models.ts";
import { createServer } from "../../../edge/server/server.ts";
import { createFake } from "./fake_translator.ts";
import { errorOf, jsonRequest, startServer } from "./harness.ts";

interface Translation {
  readonly model: string;
  readonly translations: {
    readonly text: string;
    readonly sentences: { readonly hypotheses: Record<string, unknown>[] }[];
  }[];
  readonly timing: { readonly queue_ms: number; readonly total_ms: number };
}

test("POST /v1/translate answers one text with its sentences joined", async () => {
  const { post } = await startServer();
  const response = await post("/v1/translate", { text: "good day.  how are you?" });
  expect(response.status).toBe(200);
  const { model, translations, timing } = (await response.json()) as Translation;
  expect(model).toBe("fake");
  expect(translations.map(({ text }) => text)).toEqual(["GOOD DAY.  HOW ARE YOU?"]);
  expect(translations[0].sentences[0].hypotheses).toEqual([{ text: "GOOD DAY.", score: -0.1 }]);
  expect(timing.total_ms).toBeGreaterThanOrEqual(timing.queue_ms);
});

test("POST /v1/translate answers a list in its order, empty texts too", async () => {
  const { post } = await startServer();
  const response = await post("/v1/translate", { text: ["a", "", "b c"] });
  const { translations } = (await response.json()) as Translation;
  expect(translations.map(({ text }) => text)).toEqual(["A", "", "B C"]);
});

test("POST /v1/translate tells tokens, alignments and further hypotheses only when asked", async () => {
  const { post } = await startServer();
  const response = await post("/v1/translate", {
    ...{ text: "a", nbest: 2, token_scores: true, alignments: true },
  });
  const { translations } = (await response.json()) as Translation;
  const { hypotheses } = translations[0].sentences[0];
  expect(hypotheses.map(({ text }) => text)).toEqual(["A", "A (2)"]);
  const tokens = ["A", "</s>"].map((token) => ({ token, score: -0.1 }));
  expect(hypotheses[0].tokens).toEqual(tokens);
  const weights = [1, 0].map((one) => [one, 1 - one]);
  expect(hypotheses[0].alignment).toEqual({ source: ["a", "</s>"], weights });
});

test("POST /v1/translate hands the search to the translator, with the schema's defaults", async () => {
  const { post, fake } = await startServer();
  await post("/v1/translate", { text: "a", beam: 3, prefix: "The", no_repeat_ngram_size: 2 });
  const { signal, ...asked } = fake.asked[0];
  expect(signal?.aborted).toBe(false);
  expect(asked).toEqual({
    ...{ beam: 3, nbest: 1, lenpen: 1, max_len: 200, min_len: 1, prefix: "The" },
    ...{ no_repeat_ngram_size: 2, temperature: 1, alignments: false, onPartial: undefined },
  });
});

test("POST /v1/generate passes sampling on and answers one sentence", async () => {
  const { post, fake } = await startServer();
  const response = await post("/v1/generate", { text: "a b. c", sampling: { topk: 4 } });
  const { timing, ...answer } = (await response.json()) as Record<string, unknown>;
  expect(timing).toBeDefined();
  expect(answer).toEqual({
    model: "fake",
    source: "a b. c",
    hypotheses: [{ text: "A B. C", score: -0.1 }],
  });
  expect(fake.asked[0].sampling).toEqual({ topk: 4, topp: 0, seed: 1 });
});

test("POST /v1/score scores pairs", async () => {
  const { post } = await startServer();
  const response = await post("/v1/score", { source: ["a", "b"], target: ["x", "y"] });
  const { scores } = (await response.json()) as { scores: unknown };
  expect(scores).toEqual([
    { text: "x", score: -0.1 },
    { text: "y", score: -0.1 },
  ]);
  const uneven = await post("/v1/score", { source: ["a", "b"], target: "x" });
  expect((await errorOf(uneven)).field).toBe("target");
});

test("a request that names no model is answered when there is one, and must when there are two", async () => {
  const { post, models } = await startServer();
  expect((await post("/v1/translate", { text: "a" })).status).toBe(200);
  await models.load("other", async () => createFake({ mark: "!" }));
  expect(await errorOf(await post("/v1/translate", { text: "a" }))).toEqual({
    ...{ status: 422, code: "model_not_named", field: "model" },
    ...{ message: "is missing, and 2 models are loaded", remedy: "give one of fake, other" },
  });
  const named = (await (
    await post("/v1/translate", { text: "a", model: "other" })
  ).json()) as Translation;
  expect(named.translations[0].text).toBe("A!");
  const wrong = await errorOf(await post("/v1/translate", { text: "a", model: "othr" }));
  expect(wrong).toMatchObject({ status: 404, field: "model", remedy: "did you mean other?" });
});

test("a sentence that the model cannot take is a 422 that names the text of the list", async () => {
  const { post, reported, fake } = await startServer({ fake: { maxSourceTokens: 3 } });
  const one = await post("/v1/translate", { text: "a b c" });
  expect(await errorOf(one)).toEqual({
    ...{ status: 422, code: "refused", field: "text", remedy: "split it" },
    message: "a sentence has 4 tokens, the model takes 3",
  });
  const list = await post("/v1/translate", { text: ["a", "b", "a b c"] });
  expect((await errorOf(list)).field).toBe("text[2]");
  expect(fake.running).toBe(0);
  expect(reported).toEqual([]);
});

test("a failure of the server's own is reported, and not told to the client", async () => {
  const { post, reported, fake } = await startServer();
  fake.close();
  const error = await errorOf(await post("/v1/translate", { text: "a" }));
  expect(error).toMatchObject({ status: 500, code: "internal" });
  expect(JSON.stringify(error)).not.toContain("closed");
  expect(reported.map(String)).toEqual(["Error: the translator is closed"]);
});

test("GET /v1/models lists what is loaded", async () => {
  const { get } = await startServer();
  const { models } = (await (await get("/v1/models")).json()) as {
    models: Record<string, unknown>[];
  };
  expect(models).toHaveLength(1);
  expect(models[0]).toMatchObject({ name: "fake", source_lang: "en", max_source_tokens: 100 });
});

test("GET /healthz answers at once, /readyz and requests only once a model is loaded", async () => {
  const models = createModels();
  const { fetch } = createServer({ models });
  const get = (path: string) => fetch(new Request(`http://weft.test${path}`));
  expect((await get("/healthz")).status).toBe(200);
  expect(await errorOf(await get("/readyz"))).toMatchObject({ status: 503, code: "not_ready" });
  const early = await fetch(jsonRequest("/v1/translate", '{"text":"a"}'));
  expect(early.headers.get("retry-after")).toBe("5");
  expect(await errorOf(early)).toMatchObject({ status: 503, code: "not_ready" });
  await models.load("fake", async () => createFake());
  expect((await get("/readyz")).status).toBe(200);
});

test("/readyz waits for all models that are expected, and so do requests for them", async () => {
  const models = createModels(["a", "b"]);
  const { fetch } = createServer({ models });
  await models.load("a", async () => createFake());
  const ready = () => fetch(new Request("http://weft.test/readyz"));
  const ask = (model?: string) =>
    fetch(jsonRequest("/v1/translate", JSON.stringify({ text: "a", model })));
  expect(await errorOf(await ready())).toMatchObject({ status: 503, code: "not_ready" });
  expect(await errorOf(await ask("b"))).toMatchObject({ status: 503, code: "not_ready" });
  expect(await errorOf(await ask())).toMatchObject({ status: 422, code: "model_not_named" });
  expect((await ask("a")).status).toBe(200);
  await models.load("b", async () => createFake());
  expect([(await ready()).status, (await ask("b")).status]).toEqual([200, 200]);
});

test("a model whose threads have broken down is not ready until one is there again", async () => {
  const { fake, get, post, reported } = await startServer();
  const ask = () => post("/v1/translate", { text: "a" });
  fake.isReady = false;
  for (const answer of [await get("/readyz"), await ask()]) {
    expect(await errorOf(answer)).toMatchObject({ status: 503, code: "not_ready" });
  }
  fake.isReady = true;
  expect([(await get("/readyz")).status, (await ask()).status]).toEqual([200, 200]);
  expect(reported).toEqual([]);
});

test("GET / is the page that was given, or leads to the reference", async () => {
  const withPage = await startServer({ page: "<!doctype html><p>try it" });
  const response = await withPage.get("/");
  expect(response.headers.get("content-type")).toBe("text/html; charset=UTF-8");
  expect(await response.text()).toContain("try it");
  const without = await (await startServer()).get("/");
  expect([without.status, without.headers.get("location")]).toEqual([302, "docs"]);
});

test("an unknown route is a 404 with a remedy, a wrong method a 405 with allow", async () => {
  const { get, server } = await startServer();
  expect(await errorOf(await get("/v1/translat"))).toMatchObject({
    ...{ status: 404, code: "no_such_route", remedy: "did you mean /v1/translate?" },
  });
  expect((await errorOf(await get("/..%2f..%2fetc/passwd"))).remedy).toContain("/v1/score");
  const wrong = await get("/v1/translate");
  expect(wrong.headers.get("allow")).toBe("POST");
  expect(await errorOf(wrong)).toMatchObject({ status: 405, remedy: "use POST" });
  const put = await server.fetch(new Request("http://weft.test/healthz", { method: "PUT" }));
  expect(await errorOf(put)).toMatchObject({ status: 405, remedy: "use GET or HEAD" });
});

test("tokens lock /v1 and /metrics, and nothing else", async () => {
  const { get, post } = await startServer({ tokens: ["first", "second"] });
  const translate = (authorization?: string) =>
    post(
      "/v1/translate",
      { text: "a" },
      {
        headers: { "content-type": "application/json", ...(authorization && { authorization }) },
      },
    );
  for (const token of [
    undefined,
    "Bearer third",
    "Bearer firs",
    "Basic first",
    "Bearer",
    "\u00e4",
  ]) {
    const response = await translate(token);
    expect(response.headers.get("www-authenticate")).toContain("Bearer");
    expect(await errorOf(response)).toMatchObject({ status: 401, code: "not_authorized" });
  }
  expect((await translate("Bearer first")).status).toBe(200);
  expect((await translate("bearer second")).status).toBe(200);
  expect((await get("/metrics")).status).toBe(401);
  expect((await get("/v1/models", { authorization: "Bearer first" })).status).toBe(200);
  for (const path of ["/healthz", "/readyz", "/openapi.json", "/docs"]) {
    expect((await get(path)).status).toBe(200);
  }
});

test("tokens that lock nothing, or everybody out, are refused", () => {
  const start = (...tokens: string[]) => createServer({ models: createModels(), tokens });
  expect(() => start()).toThrow("the list is empty");
  expect(() => start("good", "two words")).toThrow("token 2 cannot stand in a header");
});

test("pages of other origins may call only when they are named", async () => {
  const preflight = { origin: "https://a.test", "access-control-request-method": "POST" };
  const ask = (server: { fetch(request: Request): Promise<Response> }, origin: string) =>
    server.fetch(
      new Request("http://weft.test/v1/translate", {
        method: "OPTIONS",
        headers: { ...preflight, origin },
      }),
    );
  const allowed = async (origins: string[], origin: string) => {
    const { server } = await startServer({ origins, tokens: ["t"] });
    return (await ask(server, origin)).headers.get("access-control-allow-origin");
  };
  expect(await allowed([], "https://a.test")).toBe(null);
  expect(await allowed(["https://a.test"], "https://a.test")).toBe("https://a.test");
  expect(await allowed(["https://a.test"], "https://b.test")).toBe(null);
  expect(await allowed(["*"], "https://b.test")).toBe("*");
});

test("an error reaches the page of a named origin", async () => {
  const { server } = await startServer({ origins: ["https://a.test"] });
  const headers = { "content-type": "application/json", origin: "https://a.test" };
  const response = await server.fetch(jsonRequest("/v1/translate", "{", { headers }));
  expect(response.status).toBe(400);
  expect(response.headers.get("access-control-allow-origin")).toBe("https://a.test");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
});

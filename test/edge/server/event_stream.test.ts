import { expect, test } from "bun:test";
import { eventStream } from "../../../edge/server/event_stream.ts";
import { createStepper, settled, until } from "./fake_translator.ts";
import { errorOf, eventReader, eventsOf, parseEvents, startServer } from "./harness.ts";

test("stream: true answers partial texts, then what the plain answer is", async () => {
  const stepper = createStepper();
  const { post } = await startServer({ fake: { pause: stepper.pause } });
  const response = await post("/v1/translate", { text: "a b c", stream: true });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = eventReader(response);
  for (const text of ["A", "A B"]) {
    await stepper.step();
    expect(await reader.read()).toEqual([{ event: "partial", data: { index: 0, text } }]);
  }
  await stepper.open();
  const all = await reader.rest();
  const last = all.at(-1);
  expect(last?.event).toBe("final");
  const plain = await post("/v1/translate", { text: "a b c" });
  const { timing: _, ...answer } = (await plain.json()) as Record<string, unknown>;
  expect(last?.data).toMatchObject(answer);
});

test("the header accept asks for events as well, and partial texts of a list tell theirs", async () => {
  const { server } = await startServer();
  const response = await server.fetch(
    new Request("http://weft.test/v1/translate", {
      method: "POST",
      body: '{"text":["a","b"]}',
      headers: { "content-type": "application/json", accept: "text/event-stream" },
    }),
  );
  expect((await eventsOf(response)).at(-1)?.event).toBe("final");
});

test("POST /v1/generate streams, POST /v1/score does not", async () => {
  const { server, post } = await startServer();
  const generated = await post("/v1/generate", { text: "a b", stream: true });
  expect((await eventsOf(generated)).at(-1)?.data).toMatchObject({ source: "a b" });
  const headers = { "content-type": "application/json", accept: "text/event-stream" };
  const body = '{"source":"a","target":"b"}';
  const scored = await server.fetch(
    new Request("http://weft.test/v1/score", { method: "POST", body, headers }),
  );
  expect(scored.headers.get("content-type")).toContain("application/json");
});

test("what is wrong before the first step is a plain answer, what is wrong later an event", async () => {
  const { post, fake } = await startServer({ fake: { maxSourceTokens: 2 } });
  expect((await post("/v1/translate", { text: 5, stream: true })).status).toBe(422);
  const late = await post("/v1/translate", { text: "a b c", stream: true });
  expect(late.status).toBe(200);
  const [event] = await eventsOf(late);
  expect(event).toMatchObject({ event: "error", data: { error: { code: "refused" } } });
  expect(fake.running).toBe(0);
});

test("a slow reader gets the newest partial text, not all of them", async () => {
  let tell = (_: string): void => undefined;
  const end = Promise.withResolvers<void>();
  const stream = eventStream({
    async run(onPartial) {
      tell = (text) => onPartial(0, text);
      await end.promise;
      return { event: "final", data: { done: true } };
    },
    cancel: () => undefined,
  });
  const reader = stream.getReader();
  const read = async () => parseEvents(new TextDecoder().decode((await reader.read()).value));
  for (let i = 0; i < 1000; i++) tell(`text ${i}`);
  expect((await read()).map(({ data }) => data.text)).toEqual(["text 999"]);
  for (let i = 0; i < 1000; i++) tell(`stale ${i}`);
  end.resolve();
  await settled();
  expect((await read()).map(({ event }) => event)).toEqual(["final"]);
  expect((await reader.read()).done).toBe(true);
});

test("a client that closes its stream frees its turn within one step", async () => {
  const stepper = createStepper();
  const { post, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 1, max_queue: 0 },
  });
  const response = await post("/v1/translate", { text: "a b c d", stream: true });
  const reader = response.body?.getReader();
  await stepper.step();
  expect((await reader?.read())?.done).toBe(false);
  await reader?.cancel();
  expect(fake.asked[0].signal?.aborted).toBe(true);
  await stepper.step();
  expect([fake.running, fake.steps]).toEqual([0, 1]);
  await stepper.open();
  expect((await post("/v1/translate", { text: "a" })).status).toBe(200);
});

test("a stream ends with an error at its deadline", async () => {
  const stepper = createStepper();
  const { post } = await startServer({
    fake: { pause: stepper.pause },
    limits: { deadline: 0.05 },
  });
  const events = await eventsOf(await post("/v1/translate", { text: "a", stream: true }));
  expect(events).toMatchObject([{ event: "error", data: { error: { code: "deadline" } } }]);
  await stepper.open();
});

test("drain() waits for streams", async () => {
  const stepper = createStepper();
  const { post, server, fake } = await startServer({ fake: { pause: stepper.pause } });
  const response = await post("/v1/translate", { text: "a", stream: true });
  await until(() => fake.running === 1);
  let isDrained = false;
  const drained = server.drain().then(() => {
    isDrained = true;
  });
  await settled();
  expect(isDrained).toBe(false);
  expect((await errorOf(await post("/v1/translate", { text: "a" }))).code).toBe("draining");
  await stepper.open();
  await drained;
  expect((await eventsOf(response)).at(-1)?.event).toBe("final");
});

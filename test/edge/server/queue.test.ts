import { expect, test } from "bun:test";
import { createQueue } from "../../../edge/server/queue.ts";
import { createStepper, settled, until } from "./fake_translator.ts";
import { errorOf, jsonRequest, startServer } from "./harness.ts";

const never = new AbortController().signal;

test("createQueue() lets waiting requests run in the order they came", async () => {
  const queue = createQueue({ concurrent: 1, waiting: 9 });
  const order: number[] = [];
  const one = async (number: number): Promise<void> => {
    const leave = await queue.enter(never);
    order.push(number);
    await settled();
    leave();
  };
  await Promise.all([1, 2, 3, 4].map(one));
  expect(order).toEqual([1, 2, 3, 4]);
  expect([queue.running, queue.waiting]).toEqual([0, 0]);
});

test("createQueue() forgets a waiting request whose signal is aborted", async () => {
  const queue = createQueue({ concurrent: 1, waiting: 1 });
  const leave = await queue.enter(never);
  const controller = new AbortController();
  const waiting = queue.enter(controller.signal).catch((reason) => reason);
  expect(queue.waiting).toBe(1);
  controller.abort("gone");
  expect(await waiting).toBe("gone");
  expect(queue.waiting).toBe(0);
  leave();
  expect(queue.running).toBe(0);
});

test("a full queue answers 429 with retry-after, and those inside are answered", async () => {
  const stepper = createStepper();
  const { post, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 2, max_queue: 1 },
  });
  const inside = [1, 2, 3].map(() => post("/v1/translate", { text: "a b" }));
  await until(() => fake.running === 2);
  const refused = await post("/v1/translate", { text: "a b" });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(await errorOf(refused)).toMatchObject({ status: 429, code: "queue_full" });
  await stepper.open();
  expect((await Promise.all(inside)).map(({ status }) => status)).toEqual([200, 200, 200]);
});

test("the texts of one request are one turn and run together", async () => {
  const stepper = createStepper();
  const { post, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 1, max_queue: 0 },
  });
  const batch = post("/v1/translate", { text: ["a", "b", "c"] });
  await until(() => stepper.waiting === 3);
  await stepper.step();
  expect((await batch).status).toBe(200);
  expect(fake.steps).toBe(3);
});

test("a client that goes away frees its turn within one step", async () => {
  const stepper = createStepper();
  const { server, fake, post } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 1, max_queue: 1 },
  });
  const controller = new AbortController();
  const gone = server.fetch(
    jsonRequest("/v1/translate", '{"text":"a b c d e f"}', {
      headers: { "content-type": "application/json" },
      signal: controller.signal,
    }),
  );
  await until(() => stepper.waiting === 1);
  await stepper.step();
  const next = post("/v1/translate", { text: "g" });
  await settled();
  expect([fake.steps, fake.asked.length]).toEqual([1, 1]);
  controller.abort();
  expect((await gone).status).toBe(499);
  expect(fake.asked[0].signal?.aborted).toBe(true);
  await stepper.step();
  await until(() => fake.asked.length === 2);
  // The aborted request made no further step, and the next one has its turn.
  expect(fake.steps).toBe(1);
  await stepper.open();
  expect((await next).status).toBe(200);
});

test("a client that goes away while it waits leaves the queue", async () => {
  const stepper = createStepper();
  const { server, fake, post, get } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 1, max_queue: 1 },
  });
  const first = post("/v1/translate", { text: "a" });
  await until(() => fake.running === 1);
  const controller = new AbortController();
  const headers = { "content-type": "application/json" };
  const init = { headers, signal: controller.signal };
  const gone = server.fetch(jsonRequest("/v1/translate", '{"text":"b"}', init));
  await until(async () => (await (await get("/metrics")).text()).includes("_waiting 1\n"));
  expect((await post("/v1/translate", { text: "c" })).status).toBe(429);
  controller.abort();
  expect((await gone).status).toBe(499);
  const last = post("/v1/translate", { text: "d" });
  await stepper.open();
  expect([(await first).status, (await last).status]).toEqual([200, 200]);
});

test("the deadline answers 408 even while a step takes long, and stops the request", async () => {
  const stepper = createStepper();
  const { post, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { deadline: 0.05 },
  });
  const response = await post("/v1/translate", { text: "a b" });
  expect(await errorOf(response)).toMatchObject({ status: 408, code: "deadline" });
  expect(fake.running).toBe(1);
  await stepper.open();
  expect([fake.running, fake.steps]).toEqual([0, 0]);
});

test("the deadline counts the wait for a turn", async () => {
  const stepper = createStepper();
  const { post, get } = await startServer({
    fake: { pause: stepper.pause },
    limits: { deadline: 0.05, max_concurrent: 1 },
  });
  const both = [1, 2].map(() => post("/v1/translate", { text: "a" }));
  expect((await Promise.all(both)).map(({ status }) => status)).toEqual([408, 408]);
  expect(await (await get("/metrics")).text()).toContain("weft_requests_waiting 0\n");
});

test("one bad text stops the others of its list", async () => {
  const stepper = createStepper();
  const { post, fake } = await startServer({
    fake: { pause: stepper.pause, maxSourceTokens: 5 },
  });
  const answer = post("/v1/translate", { text: ["a b c", "1 2 3 4 5 6"] });
  expect((await errorOf(await answer)).field).toBe("text[1]");
  expect(fake.running).toBe(1);
  await stepper.open();
  expect([fake.running, fake.steps]).toEqual([0, 0]);
});

test("drain() refuses what is new and resolves when the rest has ended", async () => {
  const stepper = createStepper();
  const { post, get, server, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 1 },
  });
  const running = post("/v1/translate", { text: "a" });
  const waiting = post("/v1/translate", { text: "b" });
  await until(() => fake.running === 1);
  let isDrained = false;
  const drained = server.drain().then(() => {
    isDrained = true;
  });
  const refused = await post("/v1/translate", { text: "c" });
  expect(refused.headers.get("retry-after")).toBe("5");
  expect(await errorOf(refused)).toMatchObject({ status: 503, code: "draining" });
  expect((await get("/readyz")).status).toBe(503);
  expect((await get("/healthz")).status).toBe(200);
  expect(isDrained).toBe(false);
  await stepper.open();
  await drained;
  expect([(await running).status, (await waiting).status]).toEqual([200, 200]);
  await server.drain();
});

test("a host that forgets answered requests is asked to wait until the translator has stopped", async () => {
  const stepper = createStepper();
  const { server, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { deadline: 0.05 },
  });
  const kept: Promise<unknown>[] = [];
  const host = { waitUntil: (work: Promise<unknown>) => void kept.push(work) };
  const response = await server.fetch(jsonRequest("/v1/translate", '{"text":"a"}'), {}, host);
  expect([response.status, fake.running, kept.length]).toEqual([408, 1, 2]);
  await stepper.open();
  await Promise.all(kept);
  expect(fake.running).toBe(0);
});

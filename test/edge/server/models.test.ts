import { expect, test } from "bun:test";
import { createModels } from "../../../edge/server/models.ts";
import { createFake, createStepper, settled, until } from "./fake_translator.ts";
import { startServer } from "./harness.ts";

const textOf = async (response: Response): Promise<string> => {
  const { translations } = (await response.json()) as { translations: { text: string }[] };
  return translations[0].text;
};

test("load() switches between requests: each ends with the translator it began with", async () => {
  const stepper = createStepper();
  const { post, models, fake } = await startServer({ fake: { pause: stepper.pause } });
  const before = post("/v1/translate", { text: "a b" });
  await until(() => fake.running === 1);
  await models.load("fake", async () => createFake({ mark: "!" }));
  expect(await textOf(await post("/v1/translate", { text: "a b" }))).toBe("A! B!");
  expect(fake.isClosed).toBe(false);
  await stepper.open();
  expect(await textOf(await before)).toBe("A B");
  await settled();
  expect(fake.isClosed).toBe(true);
});

test("load() refuses a bad bundle, and the present one goes on", async () => {
  const { post, models, get } = await startServer();
  const bad = models.load("fake", async () => {
    throw new Error("damaged");
  });
  expect(await bad.catch(String)).toBe("Error: damaged");
  expect(await textOf(await post("/v1/translate", { text: "a" }))).toBe("A");
  expect(models.counts()).toEqual([{ name: "fake", loads: 1, refusals: 1 }]);
  const metrics = await (await get("/metrics")).text();
  expect(metrics).toContain('weft_bundle_refusals_total{model="fake"} 1\n');
});

test("load() keeps the order of its calls, however long each takes", async () => {
  const models = createModels();
  const slow = Promise.withResolvers<void>();
  const old = createFake({ mark: "1" });
  const first = models.load("m", async () => {
    await slow.promise;
    return old;
  });
  const refused = models.load("m", async () => {
    throw new Error("damaged");
  });
  const last = createFake({ mark: "3" });
  const third = models.load("m", async () => last);
  slow.resolve();
  const statuses = (await Promise.allSettled([first, refused, third])).map(({ status }) => status);
  expect(statuses.join(" ")).toBe("fulfilled rejected fulfilled");
  expect(models.list().map(({ translator }) => translator)).toEqual([last]);
  expect([old.isClosed, last.isClosed]).toEqual([true, false]);
});

test("close() takes a model out and closes it behind its last request", async () => {
  const models = createModels();
  const fake = createFake();
  await models.load("m", async () => fake);
  const leases = [models.lease("m"), models.lease("m")];
  let isOver = false;
  const closed = models.close().then(() => {
    isOver = true;
  });
  expect(models.lease("m")).toBe(undefined);
  leases[0]?.release();
  leases[0]?.release();
  await settled();
  expect([isOver, fake.isClosed]).toEqual([false, false]);
  leases[1]?.release();
  await closed;
  expect(fake.isClosed).toBe(true);
});

test("close() takes out all models and refuses those still being loaded", async () => {
  const models = createModels();
  const [loaded, late] = [createFake(), createFake()];
  await models.load("a", async () => loaded);
  const arrival = Promise.withResolvers<void>();
  const loading = models.load("b", async () => {
    await arrival.promise;
    return late;
  });
  await settled();
  await models.close();
  arrival.resolve();
  expect(await loading.catch(String)).toContain("about to stop");
  expect([loaded.isClosed, late.isClosed, models.list().length]).toEqual([true, true, 0]);
});

test("a request that waits is answered by the model that is current when its turn comes", async () => {
  const stepper = createStepper();
  const { post, models, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 1 },
  });
  const first = post("/v1/translate", { text: "a" });
  const second = post("/v1/translate", { text: "a" });
  await until(() => fake.running === 1);
  await models.load("fake", async () => createFake({ mark: "!" }));
  await stepper.open();
  expect([await textOf(await first), await textOf(await second)]).toEqual(["A", "A!"]);
});

test("a request that waits while the models are closed is told so", async () => {
  const stepper = createStepper();
  const { post, models, fake } = await startServer({
    fake: { pause: stepper.pause },
    limits: { max_concurrent: 1 },
  });
  const first = post("/v1/translate", { text: "a" });
  const second = post("/v1/translate", { text: "a" });
  await until(() => fake.running === 1);
  const closed = models.close();
  await stepper.open();
  await closed;
  expect([(await first).status, (await second).status]).toEqual([200, 503]);
});

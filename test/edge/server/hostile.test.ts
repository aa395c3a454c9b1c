import { expect, test } from "bun:test";
import * as z from "zod";
import { startServer } from "./harness.ts";
import { type Hostile, hostileRequest } from "./hostile_requests.ts";
import { bytesInUse } from "./memory.ts";

const MEGABYTE = 2 ** 20;

test("10,000 hostile requests are each refused by name, and good ones beside them are answered", async () => {
  const { server, post, get, reported } = await startServer({ limits: { upload_deadline: 2 } });
  const errorSchema = z.fromJSONSchema(server.openapi.components.schemas.Error);
  const wrong: string[] = [];

  /** Those that wait for a slow client: not waited for before the end. */
  const slow: Promise<void>[] = [];
  const attack = async ({ request, status, field }: Hostile, i: number): Promise<void> => {
    const response = await server.fetch(request);
    const body = (await response.json()) as { error: { field?: string } };
    const isRight =
      response.status === status &&
      errorSchema.safeParse(body).success &&
      (field === undefined || body.error.field === field) &&
      JSON.stringify(body).length < 1000;
    if (!isRight)
      wrong.push(`${i}: ${response.status} not ${status} ${field}: ${JSON.stringify(body)}`);
  };
  const ask = async (i: number): Promise<void> => {
    const response = await post("/v1/translate", { text: [`good ${i}`, "day"] });
    const { translations } = (await response.json()) as { translations: { text: string }[] };
    if (translations[0].text !== `GOOD ${i}`) wrong.push(`good request ${i}`);
  };

  const inUse: number[] = [];
  for (let thousand = 0; thousand < 10; thousand++) {
    for (let batch = 0; batch < 10; batch++) {
      const first = thousand * 1000 + batch * 100;
      const attacks: Promise<void>[] = [];
      for (let i = first; i < first + 100; i++) {
        const hostile = hostileRequest(i);
        (hostile.status === 408 ? slow : attacks).push(attack(hostile, i));
      }
      await Promise.all([...attacks, ask(first), ask(first + 1)]);
    }
    inUse.push(bytesInUse());
  }

  await Promise.all(slow);
  expect(slow).toHaveLength(100);
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(reported).toEqual([]);
  // Caches are warm after the first thousand. Kept megabytes would be 20 in each further one.
  expect(inUse[9] - inUse[1]).toBeLessThan(8 * MEGABYTE);
  const metrics = await (await get("/metrics")).text();
  expect(metrics).toContain("weft_requests_running 0\n");
  expect(metrics).toContain("weft_requests_waiting 0\n");
  expect(metrics).not.toContain('status="5');
});

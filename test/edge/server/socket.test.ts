// What only a real connection can do: break off, dawdle, hang up.
import { expect, test } from "bun:test";
import { createStepper, type FakeOptions, settled, until } from "./fake_translator.ts";
import { type Harness, jsonRequest, startServer } from "./harness.ts";
import { connectAndSend, type Listening, rawPost, serve } from "./serve.ts";

interface Limits {
  readonly limits?: Record<string, number>;
  readonly fake?: FakeOptions;
}

async function withSocket(
  options: Limits,
  body: (harness: Harness, listening: Listening) => Promise<void>,
): Promise<void> {
  const harness = await startServer(options);
  const listening = serve(harness.server.fetch);
  try {
    await body(harness, listening);
  } finally {
    await listening.stop();
  }
}

/** The answer to a good request, over the socket. */
async function goodAnswer({ url }: Listening): Promise<number> {
  const { headers, method } = jsonRequest("/", "");
  const body = '{"text":"good"}';
  const response = await fetch(`${url}/v1/translate`, { method, headers, body });
  await response.text();
  return response.status;
}

test("clients whose bodies break off harm nobody", async () => {
  await withSocket({}, async ({ reported, get }, listening) => {
    for (let i = 0; i < 50; i++) {
      const { socket } = await connectAndSend(
        listening.port,
        rawPost("/v1/translate", '{"text":"Hel', 1000),
      );
      socket.destroy();
    }
    expect(await goodAnswer(listening)).toBe(200);
    await settled();
    expect(reported).toEqual([]);
    expect(await (await get("/metrics")).text()).not.toContain('status="5');
  });
});

test("clients that dawdle are told so, while others are answered", async () => {
  await withSocket({ limits: { upload_deadline: 0.3 } }, async (_, listening) => {
    const dawdlers = await Promise.all(
      Array.from({ length: 20 }, () =>
        connectAndSend(listening.port, rawPost("/v1/translate", '{"te', 1000)),
      ),
    );
    expect(await goodAnswer(listening)).toBe(200);
    for (const client of dawdlers) {
      await until(() => client.received.includes("slow_body"));
      expect(client.received).toStartWith("HTTP/1.1 408");
      client.socket.destroy();
    }
  });
});

test("a client that announces too much is refused before it sends it", async () => {
  await withSocket({}, async (_, listening) => {
    const huge = await connectAndSend(listening.port, rawPost("/v1/translate", "{", 5_000_000));
    await until(() => huge.received.includes("body_too_large"));
    expect(huge.received).toStartWith("HTTP/1.1 413");
    huge.socket.destroy();
    expect(await goodAnswer(listening)).toBe(200);
  });
});

test("a client that hangs up frees its turn", async () => {
  const stepper = createStepper();
  const limits = { max_concurrent: 1, max_queue: 0 };
  await withSocket({ limits, fake: { pause: stepper.pause } }, async ({ fake }, listening) => {
    const body = '{"text":"a b c d e f"}';
    const { socket } = await connectAndSend(listening.port, rawPost("/v1/translate", body));
    await until(() => stepper.waiting === 1);
    await stepper.step();
    socket.destroy();
    await until(() => fake.asked[0].signal?.aborted === true);
    await stepper.step();
    expect([fake.running, fake.steps]).toEqual([0, 1]);
    await stepper.open();
    expect(await goodAnswer(listening)).toBe(200);
  });
});

test("a client that hangs up on its stream frees its turn", async () => {
  const stepper = createStepper();
  const limits = { max_concurrent: 1, max_queue: 0 };
  await withSocket({ limits, fake: { pause: stepper.pause } }, async ({ fake }, listening) => {
    const body = '{"text":"a b c d e f","stream":true}';
    const client = await connectAndSend(listening.port, rawPost("/v1/translate", body));
    await until(() => stepper.waiting === 1);
    await stepper.step();
    await until(() => client.received.includes('{"index":0,"text":"A"}'));
    client.socket.destroy();
    await until(() => fake.asked[0].signal?.aborted === true);
    await stepper.step();
    expect([fake.running, fake.steps]).toEqual([0, 1]);
    await stepper.open();
    expect(await goodAnswer(listening)).toBe(200);
  });
});

test("events cross the socket as they come", async () => {
  const stepper = createStepper();
  await withSocket({ fake: { pause: stepper.pause } }, async (_, listening) => {
    const body = '{"text":"a b","stream":true}';
    const client = await connectAndSend(listening.port, rawPost("/v1/translate", body));
    await until(() => stepper.waiting === 1);
    await stepper.step();
    await until(() => client.received.includes("event: partial"));
    expect(client.received).not.toContain("event: final");
    await stepper.open();
    await until(() => client.received.includes("event: final"));
    client.socket.destroy();
  });
});

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { type ServerEvent, serverEvents } from "../../../edge/page/server_events.ts";
import { eventStream } from "../../../edge/server/event_stream.ts";

async function collect(body: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of serverEvents(body)) events.push(event);
  return events;
}

/** A body that arrives in pieces which end after so many bytes each, over and over. */
function inPieces(
  text: string,
  lengths: readonly number[],
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  let piece = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const end = at + lengths[piece++ % lengths.length];
      controller.enqueue(bytes.slice(at, end));
      at = end;
    },
  });
}

test("serverEvents() reads the same events however the body is cut into pieces", async () => {
  const texts = ["", "a", "Grüße: 你好 🙂", '{"text":"a: b"}'];
  const body = texts.map((data) => `event: partial\ndata: ${data}\n\n`).join("");
  const expected = texts.map((data) => ({ event: "partial", data }));
  const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(lengths, async (each) => {
      expect(await collect(inPieces(body, each))).toEqual(expected);
    }),
  );
});

test("serverEvents() leaves out comments, and an event that did not come whole", async () => {
  const body = ": hello\ndata: 1\ndata: 2\n\nevent: final\ndata: 3";
  expect(await collect(inPieces(body, [4]))).toEqual([{ event: "message", data: "1\n2" }]);
});

test("serverEvents() cancels the body when nobody listens any more", async () => {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
    cancel() {
      isCancelled = true;
    },
  });
  for await (const { data } of serverEvents(body)) {
    expect(data).toBe("1");
    break;
  }
  expect(isCancelled).toBe(true);
});

test("serverEvents() understands what the server writes", async () => {
  const body = eventStream({
    async run(onPartial) {
      onPartial(0, "Guten");
      return { event: "final", data: { text: "Guten\n\nTag" } };
    },
    cancel: () => undefined,
  });
  const events = await collect(body as ReadableStream<Uint8Array<ArrayBuffer>>);
  expect(events.at(-1)).toEqual({ event: "final", data: '{"text":"Guten\\n\\nTag"}' });
});

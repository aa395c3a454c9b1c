import { expect, test } from "bun:test";
import { SendQueue } from "../../../cluster/transport/send_queue.ts";
import { seededRandom } from "../../support/random.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Takes what waits, at most so many bytes at a time. */
function drain(queue: SendQueue, most = Number.POSITIVE_INFINITY): string {
  let text = "";
  for (let next = queue.next(); next; next = queue.next()) {
    const part = next.slice(0, most);
    text += new TextDecoder().decode(part);
    queue.took(part.length);
  }
  return text;
}

test("SendQueue gives frames in order, whatever the kernel takes at a time", () => {
  for (const most of [1, 2, 3, 7, 100]) {
    const queue = new SendQueue();
    queue.push([bytes("ab"), bytes(""), bytes("cde")]);
    queue.push([bytes(""), bytes("fgh"), bytes("")]);
    expect(queue.queued).toBe(8);
    expect(drain(queue, most)).toBe("abcdefgh");
    expect([queue.queued, queue.taken]).toEqual([0, 8]);
  }
});

test("an urgent frame goes ahead of ordinary ones, and never into the middle of one", () => {
  const queue = new SendQueue();
  queue.push([bytes("first "), bytes("frame ")]);
  queue.push([bytes("second ")]);
  queue.next();
  queue.took(2);
  queue.push([bytes("urgent ")], { urgent: true });
  queue.push([bytes("also ")], { urgent: true });
  expect(drain(queue, 3)).toBe("rst frame urgent also second ");
});

test("a frame that next() has given counts as begun, though the kernel took nothing", () => {
  const queue = new SendQueue();
  queue.push([bytes("first ")]);
  queue.next();
  queue.push([bytes("urgent ")], { urgent: true });
  queue.dropOrdinary();
  expect(drain(queue)).toBe("first urgent ");
});

test("dropOrdinary() keeps urgent frames and the one that has begun, and does not call sent", () => {
  const queue = new SendQueue();
  const sent: string[] = [];
  for (const name of ["begun", "dropped", "dropped too"]) {
    queue.push([bytes(name)], { sent: () => sent.push(name) });
  }
  queue.next();
  queue.took(1);
  queue.push([bytes("!")], { urgent: true, sent: () => sent.push("!") });
  queue.dropOrdinary();
  expect(queue.queued).toBe(5);
  expect(drain(queue)).toBe("egun!");
  expect(sent).toEqual(["begun", "!"]);
});

test("sent is called when the last byte is taken, and may push the next frame", () => {
  const queue = new SendQueue();
  let sent = false;
  const after = () => {
    sent = true;
    queue.push([bytes(" next")]);
  };
  queue.push([bytes("one")], { sent: after });
  queue.next();
  queue.took(2);
  expect(sent).toBe(false);
  queue.took(1);
  expect(sent).toBe(true);
  expect(drain(queue)).toBe(" next");
});

test("a frame without bytes is sent at once", () => {
  const queue = new SendQueue();
  let sent = 0;
  queue.push([], { sent: () => sent++ });
  queue.push([new Uint8Array(0)], { sent: () => sent++ });
  expect([sent, queue.queued, queue.next()]).toEqual([2, 0, undefined]);
});

test("small beginnings are gathered with what follows, large pieces are given as they are", () => {
  const queue = new SendQueue();
  const payload = new Uint8Array(100_000).fill(7);
  queue.push([new Uint8Array(8), new Uint8Array(22), payload]);
  const first = queue.next();
  expect(first?.length).toBe(16384);
  queue.took(16384);
  const second = queue.next();
  expect(second?.buffer).toBe(payload.buffer);
  expect(second?.length).toBe(100_030 - 16384);
});

test("what is sent meanwhile does not change the order that pieces() has given out", () => {
  const queue = new SendQueue();
  const next = () => queue.push([bytes("urgent ")], { urgent: true });
  queue.push([bytes("on"), bytes("e ")], { sent: next });
  queue.push([bytes("two "), new Uint8Array(0), bytes("three ")]);
  expect(queue.pieces().map(({ length }) => length)).toEqual([2, 2, 4, 6]);
  queue.took(9);
  expect(drain(queue)).toBe("hree urgent ");
});

test("pieces of every size come out as they went in", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 20; round++) {
    const queue = new SendQueue();
    const expected: Uint8Array[] = [];
    for (let frame = 0; frame < 5; frame++) {
      const pieces = Array.from({ length: random.int(0, 4) }, () =>
        Uint8Array.from({ length: random.int(0, 1) * random.int(0, 40_000) }, () =>
          random.int(0, 255),
        ),
      );
      queue.push(pieces);
      expected.push(...pieces);
    }
    const given: Uint8Array[] = [];
    const ahead = (): Uint8Array | undefined =>
      round % 2 === 0 ? queue.next() : Buffer.concat(queue.pieces());
    for (let next = ahead(); next?.length; next = ahead()) {
      const part = next.slice(0, random.int(1, next.length));
      given.push(part);
      queue.took(part.length);
    }
    expect(Buffer.concat(given).equals(Buffer.concat(expected))).toBe(true);
  }
});

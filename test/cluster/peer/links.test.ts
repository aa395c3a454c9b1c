import { expect, test } from "bun:test";
import { type Hello, PROTOCOL } from "../../../cluster/membership/messages.ts";
import { Links, type LinksEvents } from "../../../cluster/peer/links.ts";
import type { Connection, Receiver } from "../../../cluster/transport/transport.ts";
import { encodeControl } from "../../../cluster/wire/encode_control.ts";
import { dataFrame, pattern } from "../wire/frames.ts";
import { MemoryWire } from "./memory_wire.ts";

/** A peer that knows only its connections; the other one has rank 0 or 1, too. */
function peer(wire: MemoryWire, rank: number, incarnation = 1) {
  const told: string[] = [];
  const place = new Uint8Array(300);
  const self = { rank, incarnation, host: "h", port: rank + 1 };
  const events: LinksEvents = {
    linked: ({ self: { rank } }) => told.push(`linked ${rank}`),
    unlinked: (rank, reason) => told.push(`unlinked ${rank}: ${reason}`),
    message: (rank, { t }) => told.push(`${t} of ${rank}`),
    place: () => place,
    arrived: () => undefined,
    report: () => "",
    fatal: (reason) => told.push(reason),
    say: (line) => told.push(line),
  };
  const greeting = (): Hello => ({
    ...{ t: "hello", protocol: PROTOCOL, job: "j", size: 2, self, joining: false, parameters: 0 },
    ...{ agreement: {}, clock: 0, generation: 0, step: 0, phase: "forming", members: [] },
    installed: 0,
  });
  const links = new Links(
    {
      ...{ transport: wire.transport, self, patience: 1000, greeting },
      addresses: new Map([[1 - rank, { host: "h", port: 2 - rank }]]),
      objection: () => undefined,
    },
    events,
  );
  return {
    links,
    told,
    greeting,
    place,
    tick: (now: number) => links.tick(now, { t: "fetch", generation: 0 }),
  };
}

test("Links keep one connection where two crossed: both sides the one that the higher rank dialled", async () => {
  const wire = new MemoryWire();
  const [low, high] = [peer(wire, 0), peer(wire, 1)];
  // Nobody listens: both go on trying, the lower rank too after a while.
  for (const now of [0, 3000]) {
    low.tick(now);
    high.tick(now);
    await wire.deliver();
  }
  wire.listen(1, low.links.accept);
  wire.listen(2, high.links.accept);
  for (const now of [3600, 3601, 3602, 3603, 3604, 3605, 3606]) {
    low.tick(now);
    high.tick(now);
    await wire.deliver();
  }
  expect(low.links.linkTo(1)?.dialled).toBeUndefined();
  expect(high.links.linkTo(0)?.dialled).toBe("h:1");
  const beatsOf = (told: string[]) => told.filter((line) => line.startsWith("fetch of")).length;
  const before = [low, high].map(({ told }) => beatsOf(told));
  for (const now of [3700, 3800, 3900, 4000, 4500, 5000]) {
    low.tick(now);
    high.tick(now);
    await wire.deliver();
  }
  expect([low, high].map(({ told }, i) => beatsOf(told) - before[i])).toEqual([6, 6]);
});

test("Links do not dial once more who has not answered, and give it up after a while", async () => {
  const wire = new MemoryWire();
  let callers = 0;
  wire.listen(1, (): Receiver => {
    callers++;
    return { space: () => new Uint8Array(9), filled: () => undefined, closed: () => undefined };
  });
  const high = peer(wire, 1);
  for (let now = 0; now <= 1000; now += 100) {
    high.tick(now);
    await wire.deliver();
  }
  expect(callers).toBe(1);
  for (let now = 1100; now <= 1300; now += 100) {
    high.tick(now);
    await wire.deliver();
  }
  expect(callers).toBe(2);
  expect(high.links.troubleWith(0)).toBe("no greeting within 1 s");
});

test("Links say what may be wrong with a peer that closes the connection instead of greeting", async () => {
  const wire = new MemoryWire();
  // One that expects TLS, say, and hears a greeting instead.
  wire.listen(1, (connection): Receiver => {
    return {
      space: () => new Uint8Array(9),
      filled: () => connection.close(),
      closed: () => undefined,
    };
  });
  const high = peer(wire, 1);
  high.tick(0);
  for (let turn = 0; turn < 5; turn++) await wire.deliver();
  expect(high.links.troubleWith(0)).toBe(
    "h:1: the connection ended before both sides had proven who they are (it closed the connection); " +
      "see whether all peers are secured in the same way, and what the other one says",
  );
});

test("Links turn out callers that do not greet: the oldest of too many, and all in time", async () => {
  const wire = new MemoryWire();
  const low = peer(wire, 0);
  wire.listen(1, low.links.accept);
  const ended: number[] = [];
  const call = async (caller: number): Promise<Connection> =>
    await wire.transport.connect({ host: "h", port: 1 }, () => ({
      space: () => new Uint8Array(9),
      filled: () => undefined,
      closed: () => ended.push(caller),
    }));
  low.tick(0);
  for (let caller = 0; caller < 70; caller++) await call(caller);
  for (let turn = 0; turn < 3; turn++) await wire.deliver();
  expect(ended).toEqual([0, 1, 2, 3, 4, 5]);
  low.tick(1100);
  for (let turn = 0; turn < 3; turn++) await wire.deliver();
  expect(ended.length).toBe(70);
});

test("Links end a process whose rank another one has, once that is sure to be alive, and let a successor in", async () => {
  const wire = new MemoryWire();
  const low = peer(wire, 0);
  wire.listen(1, low.links.accept);
  const [first, rival] = [peer(wire, 1, 1), peer(wire, 1, 2)];
  const pass = async (from: number, to: number, living: (typeof first)[]): Promise<void> => {
    for (let now = from; now < to; now += 250) {
      for (const each of [low, ...living]) each.tick(now);
      for (let turn = 0; turn < 3; turn++) await wire.deliver();
    }
  };
  await pass(0, 1000, [first]);
  await pass(1000, 3000, [first, rival]);
  expect(rival.told).toEqual([]);
  expect(rival.links.troubleWith(0)).toBe("rank 1 is already here, from h:2");
  // The first one is silent for longer than it may be: the other one takes its place.
  await pass(3000, 4900, [rival]);
  expect(low.told.filter((line) => !line.startsWith("fetch"))).toEqual([
    "linked 1",
    expect.stringMatching(/^unlinked 1: silent/),
    "linked 1",
  ]);
  const twin = peer(wire, 1, 3);
  await pass(4900, 9000, [rival, twin]);
  expect(twin.told[0]).toBe(
    "rank 1 is already here, from h:2; end that process, or give each a --rank of its own",
  );
});

test("Links let nothing go on while a frame of an earlier view is read into memory", () => {
  const wire = new MemoryWire();
  const [low, high] = [peer(wire, 0), peer(wire, 1)];
  const receiver = low.links.accept({
    ...{ remote: "h:9", proven: undefined, queued: 0, traffic: { sent: 0, received: 0 } },
    ...{ send: () => undefined, dropQueued: () => undefined, close: () => undefined },
  });
  const give = (bytes: Uint8Array): void => {
    const space = receiver.space();
    space.set(bytes);
    receiver.filled(bytes.length);
  };
  give(encodeControl(high.greeting()));
  const frame = dataFrame(pattern(300));
  give(frame.subarray(0, 100));
  // As a runtime does that reads straight into memory: it waits there for what comes next.
  const space = receiver.space();
  low.links.divert();
  let goesOn = 0;
  low.links.whenUntouched(() => goesOn++);
  low.links.cutOff([0, 1]);
  expect(goesOn).toBe(0);
  space.set(frame.subarray(100, 150));
  receiver.filled(50);
  expect(goesOn).toBe(1);
  low.place.fill(0);
  give(frame.subarray(150));
  expect(low.place.every((byte) => byte === 0)).toBe(true);
  give(frame.subarray(0, 100));
  receiver.space();
  low.links.divert();
  low.links.whenUntouched(() => goesOn++);
  // Whoever is no member any more may be silent for long: it is cut off, and its connection ends.
  low.links.cutOff([0]);
  expect([low.told.at(-1), goesOn]).toEqual(["unlinked 1: it is no member now", 1]);
  receiver.closed(undefined);
  expect(goesOn).toBe(2);
});

// Peers of one machine that read each other's memory: here both are this process.
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { type Hello, type Message, PROTOCOL } from "../../../cluster/membership/messages.ts";
import { Link, type LinkEvents } from "../../../cluster/peer/link.ts";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import type { Connection, NearMemory } from "../../../cluster/transport/transport.ts";
import { bothSockets } from "../transport/both_sockets.ts";
import { HERE } from "../transport/pair.ts";
import { header, pattern } from "../wire/frames.ts";

const BYTES = 300_000;

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

class Side implements LinkEvents {
  readonly told: string[] = [];
  readonly place_ = new Uint8Array(BYTES);
  arrivals = 0;
  /** Reading its memory, as this side does it. */
  read: NearMemory["read"] | undefined;
  wants = true;
  link = new Link(this, undefined);

  constructor(readonly rank: number) {}

  /** A connection as it is, but for how this side reads the other's memory. */
  open(connection: Connection): Link["receiver"] {
    const { memory } = connection;
    const changed: Connection = Object.create(connection, {
      ...(memory && {
        memory: {
          value: {
            pid: memory.pid,
            addressOf: memory.addressOf,
            read: (...args: Parameters<NearMemory["read"]>) => (this.read ?? memory.read)(...args),
          },
        },
      }),
      send: { value: connection.send.bind(connection) },
      close: { value: connection.close.bind(connection) },
      dropQueued: { value: connection.dropQueued.bind(connection) },
      traffic: { get: () => connection.traffic },
    });
    this.link.open(changed, greeting(this.rank));
    return this.link.receiver;
  }

  greeted(link: Link): void {
    link.offerMemory();
  }

  asked(): void {}

  refused(): void {}

  unreadable(_link: Link, reason: string): void {
    this.told.push(`unreadable: ${reason}`);
  }

  message(_link: Link, { t }: Message): void {
    this.told.push(t);
  }

  place(): Uint8Array | undefined {
    return this.wants ? this.place_ : undefined;
  }

  arrived(): void {
    this.arrivals++;
  }

  ended(_link: Link, reason: string): void {
    this.told.push(`ended: ${reason}`);
  }
}

const greeting = (rank: number): Hello => ({
  ...{ t: "hello", protocol: PROTOCOL, job: "j", size: 2, joining: false, parameters: 0 },
  self: { rank, incarnation: 1, host: "h", port: rank + 1 },
  ...{ agreement: {}, clock: 0, generation: 0, step: 0, phase: "forming", members: [] },
  installed: 0,
});

/** Two ends of a connection that have greeted; `low` reads what `high` sends. */
async function pair(read?: NearMemory["read"]) {
  const [low, high] = [new Side(0), new Side(1)];
  low.read = read;
  const { sockets } = bothSockets[1];
  const transport = openTransport({ kind: "plain" }, { sockets });
  const listener = await transport.listen(HERE, (connection) => low.open(connection));
  await transport.connect(listener.address, (connection) => high.open(connection));
  // What is said after that comes after both have tried to read.
  await until(() => high.link.peer !== undefined && low.link.peer !== undefined);
  for (let turn = 0; turn < 2; turn++) {
    const beats = () => low.told.filter((each) => each === "fetch").length;
    const before = beats();
    high.link.send({ t: "fetch", generation: 0 });
    await until(() => beats() > before);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  low.told.length = 0;
  const close = (): void => {
    low.link.close();
    high.link.close();
    listener.close();
  };
  return { low, high, close };
}

const payload = (): Uint8Array => {
  const bytes = new Uint8Array(new SharedArrayBuffer(BYTES));
  bytes.set(pattern(BYTES));
  return bytes;
};

// Where there is no libc, peers have sockets alone.
const nearTest = bothSockets.length > 1 ? test : test.skip;

nearTest(
  "a payload goes from memory to memory, past the socket, and may be used again",
  async () => {
    const { low, high, close } = await pair();
    let sent = 0;
    const before = high.link.traffic.sent;
    for (let i = 0; i < 3; i++) high.link.sendData(header(), payload(), () => sent++);
    await until(() => low.arrivals === 3 && sent === 3);
    expect(Buffer.from(low.place_).equals(Buffer.from(pattern(BYTES)))).toBe(true);
    expect(high.link.traffic.sent - before).toBeLessThan(1000);
    // What nobody wants is not read, and its memory is free all the same.
    low.wants = false;
    low.read = () => {
      throw new Error("nobody wants it");
    };
    high.link.sendData(header(), payload(), () => sent++);
    await until(() => sent === 4);
    expect([low.arrivals, low.told, high.told]).toEqual([3, [], []]);
    close();
  },
);

nearTest(
  "what is withdrawn before it was read never arrives, and its sender hears nothing",
  async () => {
    const { low, high, close } = await pair();
    let sent = 0;
    high.link.sendData(header(), payload(), () => sent++);
    high.link.dropData();
    high.link.sendData(header(), payload(), () => (sent += 10));
    await until(() => sent > 0);
    expect([low.arrivals, sent, low.told]).toEqual([1, 10, []]);
    close();
  },
);

nearTest("a process that may not be read is said to be so, and sends by the socket", async () => {
  const { low, high, close } = await pair(() => {
    throw new Error("process_vm_readv: EPERM");
  });
  const before = high.link.traffic.sent;
  let sent = 0;
  high.link.sendData(header(), payload(), () => sent++);
  await until(() => low.arrivals === 1);
  expect(Buffer.from(low.place_).equals(Buffer.from(pattern(BYTES)))).toBe(true);
  expect([sent, high.link.traffic.sent - before > BYTES]).toEqual([1, true]);
  close();
});

nearTest(
  "a peer that dies while it is read, or whose number another process has, is a dead link",
  async () => {
    const gone = spawnSync("true").pid;
    const { sockets } = bothSockets[1];
    const deaths: Record<string, NearMemory["read"]> = {
      "process_vm_readv: ESRCH": (_, from, into) => sockets?.libc.readMemory(gone, from, into),
      "process_vm_readv: EFAULT": (pid, [, cell], into) =>
        sockets?.libc.readMemory(pid, [4096, cell], into),
      "its memory is another process's now": (_, _from, into) => {
        for (const each of into) each.fill(0);
      },
    };
    for (const [reason, read] of Object.entries(deaths)) {
      const { low, high, close } = await pair();
      low.read = read;
      high.link.sendData(header(), payload());
      await until(() => low.told.length > 0);
      expect([low.told, low.arrivals]).toEqual([[`ended: ${reason}`], 0]);
      close();
    }
  },
);

nearTest("an announcement to who cannot read ends the link", async () => {
  const { low, high, close } = await pair(() => {
    throw new Error("process_vm_readv: EPERM");
  });
  high.link.control({ t: "reach", reads: true });
  high.link.sendData(header(), payload());
  await until(() => low.told.length > 0);
  expect(low.told).toEqual(["ended: an announcement to one who cannot read it"]);
  close();
});

import { afterAll, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Met } from "../../../cluster/rendezvous/meet.ts";
import type { Meeting } from "../../../cluster/rendezvous/world.ts";
import { startScript } from "../support/script.ts";
import { attend, freePort, startPeer } from "./peers.ts";

const closing: { close(): void }[] = [];
afterAll(() => {
  for (const each of closing) each.close();
});
const closeLater = <T extends { close(): void }>(each: T): T => {
  closing.push(each);
  return each;
};

async function newMeeting(host = "127.0.0.1"): Promise<Meeting & { kind: "tcp" }> {
  return { kind: "tcp", address: { host, port: await freePort() } };
}

const together = async (peers: readonly Promise<Met>[]): Promise<Met[]> =>
  (await Promise.all(peers)).map(closeLater);

const portsOf = ({ addresses }: Met): number[] => addresses.map(({ port }) => port);

/** A connection of somebody who is no peer. */
function stranger({ address }: Meeting & { kind: "tcp" }): Socket {
  const socket = connect(address.port, address.host);
  socket.on("error", () => undefined);
  closeLater({ close: () => void socket.destroy() });
  return socket;
}

const closeOf = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.on("close", () => resolve()));

test("peers that know their ranks meet at rank 0, whoever comes first", async () => {
  const meeting = await newMeeting();
  const early = [attend(meeting, { rank: 2 }), attend(meeting, { rank: 1 })];
  await setTimeout(300);
  const met = await together([attend(meeting, { rank: 0 }), ...early]);
  expect(met.map(({ rank }) => rank)).toEqual([0, 2, 1]);
  for (const each of met) {
    expect(each.addresses).toEqual([1000, 1001, 1002].map((port) => ({ host: "127.0.0.1", port })));
  }
  expect(met.map(({ localRank }) => localRank)).toEqual([0, 2, 1]);
});

test("ranks are given out in the order of coming, and one who can listen is the host", async () => {
  const meeting = await newMeeting("localhost");
  const peers = [5, 6, 7, 8].map((port) => attend(meeting, { port, size: 4 }));
  const met = await together(peers);
  expect(met.map(({ rank }) => rank).sort()).toEqual([0, 1, 2, 3]);
  for (const [index, each] of met.entries()) {
    expect(portsOf(each)).toEqual(portsOf(met[0]));
    expect(each.addresses[each.rank].port).toBe(1005 + index);
  }
});

test("a peer that listens on all addresses tells the one that leads to it", async () => {
  const meeting = await newMeeting();
  const peers = [0, 1, 2].map((rank) => attend(meeting, { rank, host: rank ? "0.0.0.0" : "::" }));
  const [{ addresses }] = await together(peers);
  expect(addresses.map(({ host }) => host)).toEqual(Array(3).fill("127.0.0.1"));
});

test("a peer that is started anew is told at once, and takes the place of the one before", async () => {
  const meeting = await newMeeting();
  const met = await together([0, 1, 2].map((rank) => attend(meeting, { rank })));
  met[1].close();
  const again = closeLater(await attend(meeting, { rank: 1, port: 9 }));
  expect(portsOf(again)).toEqual([1000, 1009, 1002]);
  met[2].close();
  const last = closeLater(await attend(meeting, { rank: 2 }));
  expect(portsOf(last)).toEqual([1000, 1009, 1002]);
});

test("a second process with the rank of a living one is refused, before and after the meeting", async () => {
  const meeting = await newMeeting();
  const first = attend(meeting, { rank: 0 });
  const second = attend(meeting, { rank: 1 });
  await setTimeout(200);
  const taken = "rank 1 is taken: the process at 127.0.0.1:1001 has it, and lives";
  await expect(attend(meeting, { rank: 1, port: 9 })).rejects.toThrow(taken);
  await together([first, second, attend(meeting, { rank: 2 })]);
  await expect(attend(meeting, { rank: 1, port: 9 })).rejects.toThrow(taken);
});

test("a host that is started anew learns from the others whom they know", async () => {
  const meeting = await newMeeting();
  const met = await together([0, 1, 2].map((rank) => attend(meeting, { rank })));
  met[0].close();
  met[2].close(); // and that one is not started again
  const host = closeLater(await attend(meeting, { rank: 0, port: 7 }));
  expect(portsOf(host)).toEqual([1007, 1001, 1002]);
});

test("processes without ranks take those of processes that were killed, not those of living ones", async () => {
  const meeting = await newMeeting();
  const place = `tcp://127.0.0.1:${meeting.address.port}`;
  const peers = [1, 2, 3].map((port) => startPeer(place, 3, "-", port));
  try {
    const told = await Promise.all(peers.map((peer) => peer.told));
    const ports = told[0].addresses;
    // The host may be any of them; one that is not it is killed.
    const victim = peers[told.findIndex(({ rank }) => rank === 2)];
    await victim.kill();
    const again = startPeer(place, 3, "-", 9);
    peers.push(again);
    const { rank, addresses } = await again.told;
    expect(addresses.filter((port) => ports.includes(port)).length).toBe(2);
    expect(addresses[rank]).toBe(9);
    expect(rank).toBe(2);
  } finally {
    await Promise.all(peers.map((peer) => peer.kill()));
  }
});

test("a meeting keeps no process from ending", async () => {
  const place = `tcp://127.0.0.1:${await freePort()}`;
  const file = join(import.meta.dirname, "peer.ts");
  const peers = [0, 1].map((rank) => startScript(file, [place, "2", `${rank}`, "1", "leave"]));
  const ended = await Promise.all(peers.map((peer) => peer.ended));
  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
});

test("the error after the time is over names who is missing, and who is there", async () => {
  const meeting = await newMeeting();
  const lines: string[] = [];
  const waiting = [0, 2].map((rank) =>
    attend(meeting, { rank, size: 5, timeoutSeconds: 0.6, say: (line) => lines.push(line) }),
  );
  const message =
    `the meeting at 127.0.0.1:${meeting.address.port}: of 5 peers ranks 1, 3 and 4 are missing ` +
    "after 0.6 s (here: rank 0 at 127.0.0.1:1000, rank 2 at 127.0.0.1:1002)";
  for (const outcome of await Promise.allSettled(waiting)) {
    expect(outcome.status === "rejected" && String(outcome.reason)).toContain(message);
  }
  expect(lines.join("\n")).toContain("of 5 peers ranks 1, 3 and 4 are missing");
});

test("a host that waits in vain names those whom it has turned away", async () => {
  const meeting = await newMeeting();
  const lines: string[] = [];
  const waiting = attend(meeting, { rank: 0, timeoutSeconds: 1, say: (line) => lines.push(line) });
  waiting.catch(() => undefined);
  await expect(attend(meeting, { rank: 1, size: 4 })).rejects.toThrow("but this one expects 4");
  const told = "turned away 127.0.0.1:1001: 3 peers meet there, but this one expects 4";
  expect(lines.join("\n")).toContain(told);
  await expect(waiting).rejects.toThrow(`(here: rank 0 at 127.0.0.1:1000; ${told})`);
});

test("where no host answers, the error says so", async () => {
  const meeting = await newMeeting();
  const { port } = meeting.address;
  await expect(attend(meeting, { rank: 1, timeoutSeconds: 0.4 })).rejects.toThrow(
    `the meeting at 127.0.0.1:${port}: nobody has answered within 0.4 s (none can be asked: nobody listens there (connection refused))`,
  );
  const elsewhere: Meeting = { kind: "tcp", address: { host: "no-such-host.invalid", port } };
  await expect(attend(elsewhere, { rank: 1, timeoutSeconds: 0.4 })).rejects.toThrow(
    "start rank 0 on that machine",
  );
});

test("the port of the meeting must be free on the machine of rank 0", async () => {
  const meeting = await newMeeting();
  const server = createServer().listen(meeting.address.port, "127.0.0.1");
  await once(server, "listening");
  await expect(attend(meeting, { rank: 0, timeoutSeconds: 0.4 })).rejects.toThrow(
    `127.0.0.1:${meeting.address.port}: another process listens there already`,
  );
  server.close();
});

test("peers of another job or of another number are refused", async () => {
  const meeting = await newMeeting();
  const leave = new AbortController();
  const host = attend(meeting, { rank: 0, signal: leave.signal });
  host.catch(() => undefined);
  await expect(attend(meeting, { rank: 1, job: "other" })).rejects.toThrow(
    "those of job test, not other",
  );
  await expect(attend(meeting, { rank: 1, size: 4 })).rejects.toThrow(
    "3 peers meet there, but this one expects 4",
  );
  leave.abort(new Error("enough"));
  await expect(host).rejects.toThrow("enough");
  // The port is free again.
  closeLater(await attend(meeting, { rank: 0, size: 1 }));
});

test("strangers that send nonsense, too much or nothing do not disturb a meeting", async () => {
  const meeting = await newMeeting();
  const host = attend(meeting, { rank: 0 });
  await setTimeout(100);
  const ends: Promise<unknown>[] = [];
  for (const text of [
    "GET / HTTP/1.1\r\n\r\n",
    "x".repeat(100_000),
    '{"kind":"hello"}\n',
    "[[[\n",
  ]) {
    const socket = stranger(meeting);
    ends.push(closeOf(socket));
    socket.on("data", () => undefined);
    socket.write(text);
  }
  await Promise.all(ends);
  // More than are let in, all silent: for every one too many, and every peer, the oldest has to go.
  const silent = Array.from({ length: 200 }, () => stranger(meeting));
  const closed = silent.map(closeOf);
  for (const socket of silent) socket.on("data", () => undefined);
  await together([host, attend(meeting, { rank: 1 }), attend(meeting, { rank: 2 })]);
  await Promise.all(closed.slice(0, 100));
});

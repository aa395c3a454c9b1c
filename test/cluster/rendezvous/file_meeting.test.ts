import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Met } from "../../../cluster/rendezvous/meet.ts";
import type { Meeting } from "../../../cluster/rendezvous/world.ts";
import { attend, type PeerProcess, startPeer } from "./peers.ts";

const top = mkdtempSync(join(tmpdir(), "weft-meeting-"));
const closing: Met[] = [];
afterAll(async () => {
  for (const each of closing) each.close();
  await setTimeout(50); // what they are still writing
  rmSync(top, { recursive: true, force: true });
});

let count = 0;
const newMeeting = (): Meeting & { kind: "file" } => ({
  kind: "file",
  folder: join(top, `meeting-${++count}`),
});

const closeLater = (each: Met): Met => {
  closing.push(each);
  return each;
};

const together = async (peers: readonly Promise<Met>[]): Promise<Met[]> =>
  (await Promise.all(peers)).map(closeLater);

const portsOf = ({ addresses }: Met): number[] => addresses.map(({ port }) => port);

/** What the processes were told, once all have been; then all are killed. */
async function crashAfterMeeting(peers: readonly PeerProcess[]) {
  const told = await Promise.all(peers.map((peer) => peer.told));
  await Promise.all(peers.map((peer) => peer.kill()));
  return told;
}

test("peers that know their ranks meet in a folder", async () => {
  const meeting = newMeeting();
  const met = await together([2, 0, 1].map((rank) => attend(meeting, { rank })));
  expect(met.map(({ rank, localRank }) => [rank, localRank])).toEqual([
    ...[
      [2, 2],
      [0, 0],
      [1, 1],
    ],
  ]);
  for (const each of met) {
    expect(each.addresses).toEqual([1000, 1001, 1002].map((port) => ({ host: "127.0.0.1", port })));
  }
});

test("peers without ranks get one each", async () => {
  const meeting = newMeeting();
  const met = await together([4, 5, 6, 7].map((port) => attend(meeting, { port, size: 4 })));
  expect(met.map(({ rank }) => rank).sort()).toEqual([0, 1, 2, 3]);
  for (const [index, each] of met.entries()) {
    expect(portsOf(each)).toEqual(portsOf(met[0]));
    expect(each.addresses[each.rank].port).toBe(1004 + index);
  }
});

test("jobs of any name have folders of their own", async () => {
  const meeting = newMeeting();
  const names = ["../up", ".", "slurm-1.0", "a b/c"];
  await together(names.map((job) => attend(meeting, { job, rank: 0, size: 1 })));
  expect(readdirSync(meeting.folder).sort()).toEqual([
    ...["%2e", "%2e.%2fup", "a%20b%2fc", "slurm-1.0"],
  ]);
});

test("a peer that listens on all addresses tells one that others can call", async () => {
  const { addresses } = closeLater(
    await attend(newMeeting(), { rank: 0, size: 1, host: "0.0.0.0" }),
  );
  expect(addresses[0].host).toMatch(/^[0-9a-f.:]+$/);
  expect(addresses[0].host).not.toBe("0.0.0.0");
});

test("what a killed run has left is not taken for this one, with ranks and without", async () => {
  const runs = ([0, "-"] as const).map(async (first) => {
    const place = `file://${newMeeting().folder}`;
    const start = (port: number) =>
      [0, 1].map((index) => startPeer(place, 2, first === "-" ? "-" : index, port + index));
    const [before] = await crashAfterMeeting(start(10));
    expect([...before.addresses].sort()).toEqual([10, 11]);
    const [after, other] = await crashAfterMeeting(start(20));
    expect([...after.addresses].sort()).toEqual([20, 21]);
    expect(other.addresses).toEqual(after.addresses);
    expect([after.rank, other.rank].sort()).toEqual([0, 1]);
  });
  await Promise.all(runs);
});

test("one that was killed is started anew, with its rank or without, though another is gone too", async () => {
  const runs = ([2, "-"] as const).map(async (wanted) => {
    const place = `file://${newMeeting().folder}`;
    const peers = [0, 1, 2].map((rank) =>
      startPeer(place, 3, wanted === "-" ? "-" : rank, 10 + rank),
    );
    try {
      const told = await Promise.all(peers.map((peer) => peer.told));
      const victims = peers.filter((_, index) => told[index].rank !== 0);
      await Promise.all(victims.map((peer) => peer.kill()));
      const again = startPeer(place, 3, wanted, 20);
      peers.push(again);
      const { rank, addresses } = await again.told;
      const expected = [...told[0].addresses];
      expected[rank] = 20;
      expect(addresses).toEqual(expected);
      expect(rank).toBeGreaterThan(0);
    } finally {
      await Promise.all(peers.map((peer) => peer.kill()));
    }
  });
  await Promise.all(runs);
});

test("a second process with the rank of a living one is refused, before and after the meeting", async () => {
  const meeting = newMeeting();
  const first = [attend(meeting, { rank: 0 }), attend(meeting, { rank: 1 })];
  await setTimeout(300);
  const taken = "rank 1 is taken: the process at 127.0.0.1:1001 has it, and lives";
  await expect(attend(meeting, { rank: 1, port: 9 })).rejects.toThrow(taken);
  const met = await together([...first, attend(meeting, { rank: 2 })]);
  expect(portsOf(met[0])).toEqual([1000, 1001, 1002]);
  await expect(attend(meeting, { rank: 1, port: 9 })).rejects.toThrow(taken);
});

test("the error after the time is over names who is missing, and who is there", async () => {
  const meeting = newMeeting();
  const waiting = [0, 2].map((rank) => attend(meeting, { rank, size: 4, timeoutSeconds: 0.6 }));
  const message =
    `the meeting in ${meeting.folder}/test: of 4 peers ranks 1 and 3 are missing after 0.6 s ` +
    "(here: rank 0 at 127.0.0.1:1000, rank 2 at 127.0.0.1:1002)";
  for (const outcome of await Promise.allSettled(waiting)) {
    expect(outcome.status === "rejected" && String(outcome.reason)).toContain(message);
  }
  expect(readdirSync(join(meeting.folder, "test"))).toEqual([]);
});

test("one that waits in vain does not count peers of another number, and names them", async () => {
  const meeting = newMeeting();
  const waiting = attend(meeting, { rank: 0, size: 2, timeoutSeconds: 1.5 });
  waiting.catch(() => undefined);
  await setTimeout(200);
  await expect(attend(meeting, { rank: 1, size: 3 })).rejects.toThrow(
    "127.0.0.1:1000 expects 2 peers, this process 3",
  );
  await expect(waiting).rejects.toThrow(
    "rank 1 is missing after 1.5 s (here: rank 0 at 127.0.0.1:1000; " +
      "turned away 127.0.0.1:1001: it expects 3 peers, not 2)",
  );
});

test("peers of another number, and a place that is no folder, are refused", async () => {
  const meeting = newMeeting();
  const leave = new AbortController();
  const waiting = attend(meeting, { rank: 0, signal: leave.signal });
  waiting.catch(() => undefined);
  await setTimeout(200);
  await expect(attend(meeting, { rank: 1, size: 4 })).rejects.toThrow(
    "127.0.0.1:1000 expects 3 peers, this process 4",
  );
  leave.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow();
  const file = join(top, "file");
  writeFileSync(file, "");
  await expect(attend({ kind: "file", folder: file }, { rank: 0 })).rejects.toThrow(
    `the meeting in ${file}/test: there is a file where a folder should be`,
  );
});

test("files of others in the folder do not disturb", async () => {
  const meeting = newMeeting();
  mkdirSync(join(meeting.folder, "test"), { recursive: true });
  for (const [name, text] of [
    ["0123456789abcdef.json", "{"],
    ["1123456789abcdef.json", '{"process":"1123456789abcdef"}'],
    ["README", "hello"],
  ]) {
    writeFileSync(join(meeting.folder, "test", name), text);
  }
  const met = await together([0, 1, 2].map((rank) => attend(meeting, { rank })));
  expect(portsOf(met[0])).toEqual([1000, 1001, 1002]);
});

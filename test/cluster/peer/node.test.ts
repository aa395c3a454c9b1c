import { expect, test } from "bun:test";
import { ELEMENTS, NodePeers } from "./node_peers.ts";

test("sums that are no finite numbers reach all: each finds out by itself that training diverges", async () => {
  const { peers, low, high } = await NodePeers.two();
  for (const { node, rank } of [low, high]) {
    node.request({ kind: "begin", generation: 1, step: 0, slots: [0, 1] });
    node.request({ kind: "final", generation: 1, step: 0, slot: rank, elements: 4096 });
    const rows: [number, number[]][] = [
      [rank, rank === 1 ? [3, 1, Number.NaN, Number.POSITIVE_INFINITY] : [3, 1, 2.5, 2.25]],
    ];
    node.request({ kind: "sums", generation: 1, step: 0, rows, busy: 0 });
  }
  await peers.pass(200);
  for (const { of } of [low, high]) {
    const [{ held }] = of("update");
    expect(held.sums.get(1)?.rows).toEqual([[1, [3, 1, Number.NaN, Number.POSITIVE_INFINITY]]]);
  }
  expect([low, high].map(({ view }) => view?.generation)).toEqual([1, 1]);
});

test("peers whose parameters differ in one bit stop, and say after which update and who", async () => {
  const { peers, low, high } = await NodePeers.two({}, 0, true);
  const update = async (step: number): Promise<void> => {
    for (const { node, rank } of [low, high]) {
      node.request({ kind: "begin", generation: 1, step, slots: [0, 1] });
      node.request({ kind: "final", generation: 1, step, slot: rank, elements: ELEMENTS });
      node.request({ kind: "sums", generation: 1, step, rows: [[rank, [3]]], busy: 0 });
    }
    await peers.pass(200);
  };
  const updates = (): number[] => [low, high].map(({ of }) => of("update").length);
  for (const { parameters } of [low, high]) parameters.fill(1);
  await update(0);
  expect(updates()).toEqual([1, 1]);
  high.parameters[63] += 2 ** -23;
  await update(1);
  expect(updates()).toEqual([1, 1]);
  for (const { of } of [low, high]) {
    expect(of("failed")[0].reason).toStartWith(
      "after update 1 the parameters of ranks 0, 1 differ from each other;",
    );
  }
});

test("a peer that waits for one that hangs does not hang, though its gradients leave its memory late", async () => {
  const { peers, low, high } = await NodePeers.two({ hangsAfter: 5000 });
  for (const { node } of [low, high]) {
    node.request({ kind: "begin", generation: 1, step: 0, slots: [0] });
  }
  low.node.request({ kind: "final", generation: 1, step: 0, slot: 0, elements: ELEMENTS });
  low.node.request({ kind: "sums", generation: 1, step: 0, rows: [], busy: 0 });
  expect(low.of("taken")).toEqual([]);
  await peers.pass(10_000);
  expect(low.of("taken").length).toBe(1);
  expect(high.hung.length).toBe(1);
  expect(low.hung).toEqual([]);
});

test("two newcomers that know only the first peers are connected, too, and stay members", async () => {
  const { peers, low } = await NodePeers.two();
  for (const rank of [2, 3]) await peers.add(rank, { joining: true });
  await peers.pass(1000);
  const { view } = low;
  expect(view?.members.map(({ rank }) => rank)).toEqual([0, 1, 2, 3]);
  await peers.pass(5000);
  expect(peers.all.map((peer) => peer.view?.generation)).toEqual(Array(4).fill(view?.generation));
});

test("a process that was never let in cannot end a job; a member can, and all hear of it", async () => {
  const { peers, low, high } = await NodePeers.two();
  const stranger = await peers.add(2, { joining: true, incarnation: 9 });
  await peers.wire.deliver();
  // It gives up as soon as it is connected, before anyone has let it in.
  stranger.node.tick();
  for (let turn = 0; turn < 4; turn++) await peers.wire.deliver();
  stranger.node.request({ kind: "fail", reason: "not all peers came", isMistake: false });
  await peers.pass(1000);
  expect([low, high].map(({ of }) => of("failed"))).toEqual([[], []]);
  expect(low.of("say").map(({ line }) => line)).toContain(
    "rank 2, which is no member, ends: not all peers came",
  );
  high.node.request({ kind: "fail", reason: "rank 1 has failed: why", isMistake: true });
  await peers.pass(200);
  expect(low.of("failed")).toEqual([
    { kind: "failed", reason: "rank 1 has failed: why", isMistake: true },
  ]);
});

test("a peer whose training hangs ends, and the others go on; one that waits for others does not", async () => {
  const { peers, low, high } = await NodePeers.two({ hangsAfter: 5000 });
  low.node.request({ kind: "sums", generation: 1, step: 0, rows: [], busy: 0 });
  for (let second = 0; second < 10; second++) {
    await peers.pass(1000);
    if (second < 4) high.node.request({ kind: "alive" });
  }
  const reason = /^rank 1 hangs: its training has given no sign for 5 s, after update 0$/;
  expect(high.hung).toEqual([expect.stringMatching(reason)]);
  expect(low.hung).toEqual([]);
  expect(low.view?.members.map(({ rank }) => rank)).toEqual([0]);
  expect(low.of("say").map(({ line }) => line)).toContain(
    "rank 1 has left: rank 1 hangs: its training has given no sign for 5 s, after update 0",
  );
});

test("a newcomer that counted fewer micro-batches to an update takes the others' number over", async () => {
  const { peers, low, high } = await NodePeers.two({}, 5);
  const newcomer = await peers.add(2, { joining: true }, 1);
  await peers.pass(1000);
  const generation = newcomer.view?.generation ?? 0;
  expect(newcomer.view).toMatchObject({ members: [{}, {}, {}], fetching: [2] });
  newcomer.node.request({ kind: "fetch", generation });
  low.node.request({ kind: "record", generation, text: "5 micro-batches" });
  high.node.request({ kind: "record", generation, text: "5 micro-batches" });
  await peers.pass(200);
  expect(newcomer.of("fetched")).toMatchObject([{ record: "5 micro-batches" }]);
  const scratch = { address: 524_288, bytes: 262_144 };
  newcomer.node.request({ kind: "room", room: { microBatches: 5, scratch } });
  for (const { node } of peers.all) node.request({ kind: "installed", generation });
  await peers.pass(200);
  const slots = [0, 1, 2, 3, 4];
  for (const { node } of peers.all) {
    node.request({ kind: "begin", generation, step: 0, slots });
    node.request({ kind: "sums", generation, step: 0, rows: [], busy: 0 });
  }
  for (const slot of slots) {
    const { node, gradients } = peers.all[slot % 3];
    gradients.fill(slot + 1);
    node.request({ kind: "final", generation, step: 0, slot, elements: ELEMENTS });
    await peers.pass(200);
  }
  for (const { gradients, of } of peers.all) {
    expect(of("update")).toHaveLength(1);
    expect(new Set(gradients)).toEqual(new Set([1 + 2 + 3 + 4 + 5]));
  }
});

import { expect, test } from "bun:test";
import { NodePeers } from "./node_peers.ts";

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
    expect(held.sums.get(1)?.rows).toEqual([
      [1, [3, 1, Number.NaN, Number.POSITIVE_INFINITY]],
    ]);
  }
  expect([low, high].map(({ view }) => view?.generation)).toEqual([1, 1]);
});

// An update is applied once all members hold it. So one may have applied it, and the others only hold it,
// when that one is lost: they must not compute it anew.
import { expect, test } from "bun:test";
import { UNTRAINED, updated } from "./history.ts";
import { type Letter, ManualCluster } from "./manual_cluster.ts";

/** The parameters after update 0 as the members of generation 1 sum it. */
const UPDATED = updated(UNTRAINED, 0, 1);

const isReady = ({ message }: Letter): boolean => message.t === "ready";

/** Three peers that hold update 0; nobody has heard that the others do. */
function holding(size: number): ManualCluster {
  const cluster = new ManualCluster({ size });
  cluster.assemble();
  cluster.work();
  cluster.deliver((letter) => !isReady(letter));
  return cluster;
}

const stateOf = (cluster: ManualCluster, ranks: readonly number[]) =>
  ranks.map((rank) => [cluster.get(rank).step, cluster.get(rank).parameters]);

for (const lost of [0, 1, 2]) {
  const others = [0, 1, 2].filter((rank) => rank !== lost);

  test(`peers apply what rank ${lost} has applied, and is lost with`, () => {
    const cluster = holding(3);
    cluster.deliver((letter) => isReady(letter) && letter.to === lost);
    expect(stateOf(cluster, [lost])).toEqual([[1, UPDATED]]);
    expect(stateOf(cluster, others).map(([step]) => step)).toEqual([0, 0]);
    cluster.kill(lost);
    cluster.assemble();
    expect(cluster.get(others[0]).membership.view).toMatchObject({ resume: 1, fetching: [] });
    expect(stateOf(cluster, others)).toEqual([
      [1, UPDATED],
      [1, UPDATED],
    ]);
  });

  test(`peers apply what one of them has applied when rank ${lost} is lost`, () => {
    const cluster = holding(3);
    const [first, second] = others;
    cluster.deliver((letter) => isReady(letter) && letter.to === second);
    cluster.kill(lost);
    cluster.assemble();
    expect(stateOf(cluster, [first, second])).toEqual([
      [1, UPDATED],
      [1, UPDATED],
    ]);
  });

  test(`peers that all hold an update apply it when rank ${lost} is lost`, () => {
    const cluster = holding(3);
    cluster.kill(lost);
    cluster.assemble();
    expect(stateOf(cluster, others).map(([step]) => step)).toEqual([1, 1]);
  });
}

test("peers compute an update anew if one of them does not hold it", () => {
  const cluster = new ManualCluster({ size: 3 });
  cluster.assemble();
  cluster.work();
  cluster.deliver(({ message, from, to }) => message.t !== "sums" || from !== 2 || to !== 1);
  cluster.kill(2);
  cluster.assemble();
  expect(stateOf(cluster, [0, 1])).toEqual([
    [0, UNTRAINED],
    [0, UNTRAINED],
  ]);
});

test("a peer that waits for the lowest rank applies what it may have applied when that comes anew", () => {
  const cluster = holding(2);
  cluster.deliver((letter) => isReady(letter) && letter.to === 0);
  expect(stateOf(cluster, [0])).toEqual([[1, UPDATED]]);
  cluster.kill(0);
  cluster.tick();
  expect(cluster.get(1).membership.phase).toBe("suspended");
  cluster.start(0);
  cluster.assemble();
  expect(cluster.get(1).membership.view).toMatchObject({ resume: 1, fetching: [0] });
  expect(stateOf(cluster, [0, 1])).toEqual([
    [1, UPDATED],
    [1, UPDATED],
  ]);
});

// What random faults find only now and then, message by message.
import { expect, test } from "bun:test";
import { Candidacy } from "../../../cluster/membership/candidacy.ts";
import type { View } from "../../../cluster/membership/view.ts";
import { type Letter, ManualCluster } from "./manual_cluster.ts";

const isOf =
  (...kinds: readonly string[]) =>
  ({ message }: Letter): boolean =>
    kinds.includes(message.t);

test("a broken connection of two members costs one of them its place, not both", () => {
  const cluster = new ManualCluster({ size: 3 });
  cluster.assemble();
  cluster.unlink(1, 2);
  cluster.deliver();
  const { view, generation } = cluster.get(0).membership;
  expect(view?.members.map(({ rank }) => rank)).toEqual([0, 1]);
  expect([1, 2].map((rank) => cluster.get(rank).membership.generation)).toEqual([generation, 1]);
});

test("members that lost each other and are connected again stay members", () => {
  const cluster = new ManualCluster({ size: 5 });
  cluster.assemble();
  for (const [a, b] of [
    [0, 2],
    [0, 3],
    [1, 2],
    [1, 3],
    [0, 4],
    [1, 4],
    [2, 4],
    [3, 4],
  ]) {
    cluster.unlink(a, b);
  }
  cluster.tick();
  cluster.deliver();
  const phases = [0, 1, 2, 3, 4].map((rank) => cluster.get(rank).membership.phase);
  expect(new Set(phases)).toEqual(new Set(["suspended"]));
  cluster.kill(4);
  for (const a of [0, 1]) for (const b of [2, 3]) cluster.link(a, b);
  cluster.assemble();
  const { view } = cluster.get(0).membership;
  expect(view?.members.map(({ rank }) => rank)).toEqual([0, 1, 2, 3]);
  expect(view?.fetching).toEqual([]);
});

test("Candidacy takes no promise that was given about another generation", () => {
  const candidacy = new Candidacy(2, [1, 0], false);
  expect(candidacy.isAsked({ generation: 1, ballot: [1, 0] })).toBe(false);
  expect(candidacy.isAsked({ generation: 2, ballot: [1, 0] })).toBe(true);
});

test("a member that has left counts if it has voted: whom it voted for may have decided", () => {
  const outcome = (votes: boolean) => {
    const cluster = new ManualCluster({ size: 3 });
    cluster.assemble();
    cluster.unlink(0, 1);
    const kinds = votes ? ["prepare", "promise", "accept"] : [];
    cluster.deliver((letter) => isOf(...kinds)(letter) && letter.from + letter.to === 3);
    const farewell = cluster.get(2).membership.farewell("done");
    cluster.get(0).received(2, farewell);
    cluster.kill(2);
    cluster.tick();
    cluster.deliver();
    return cluster.get(0).membership.phase;
  };
  expect(outcome(false)).toBe("member");
  expect(outcome(true)).toBe("suspended");
});

test("members do not vote on what the register is asked to decide", async () => {
  const asked: View[] = [];
  const cluster = new ManualCluster({
    size: 3,
    swap: async (_, next) => {
      asked.push(next);
      if (asked.length === 1) return next;
      throw new Error("it does not answer");
    },
  });
  cluster.tick();
  cluster.deliver();
  await new Promise((resolve) => setTimeout(resolve, 0));
  cluster.assemble();
  cluster.kill(2);
  const votes: Letter[] = [];
  for (let turn = 0; turn < 4; turn++) {
    cluster.tick();
    votes.push(...cluster.letters.filter(isOf("accept", "accepted")));
    cluster.deliver();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  expect(asked.length).toBeGreaterThan(2);
  expect(votes).toEqual([]);
  expect(cluster.get(0).membership.generation).toBe(1);
});

test("a view that a register has and this peer is not in suspends it, and tells the others", async () => {
  const other = { rank: 7, incarnation: 99, host: "elsewhere", port: 7 };
  let standing: View | undefined;
  const cluster = new ManualCluster({
    size: 3,
    swap: async (expected, next) => {
      if ((standing?.generation ?? 0) === expected) standing = next;
      return standing ?? next;
    },
  });
  cluster.tick();
  cluster.deliver();
  await new Promise((resolve) => setTimeout(resolve, 0));
  cluster.assemble();
  standing = { generation: 2, members: [other], resume: 5, fetching: [] };
  cluster.kill(2);
  for (let turn = 0; turn < 4; turn++) {
    cluster.tick();
    cluster.deliver();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const phases = [0, 1].map((rank) => cluster.get(rank).membership.phase);
  expect(phases).toEqual(["suspended", "suspended"]);
  expect(cluster.said).toContain("the others go on without this peer");
});

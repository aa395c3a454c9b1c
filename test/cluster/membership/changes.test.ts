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

test("with a register half of the members go on at once, whichever half; fewer are patient", async () => {
  const turnsOf = async (size: number, dead: readonly number[], survivor: number) => {
    const cluster = new ManualCluster({ size, swap: async (_, next) => next });
    cluster.tick();
    cluster.deliver();
    await new Promise((resolve) => setTimeout(resolve, 0));
    cluster.assemble();
    for (const rank of dead) cluster.kill(rank);
    for (let turn = 0; turn < 20; turn++) {
      if (cluster.get(survivor).membership.generation > 1) return turn;
      cluster.tick();
      cluster.deliver();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return undefined;
  };
  expect(await turnsOf(2, [1], 0)).toBeLessThanOrEqual(3);
  expect(await turnsOf(2, [0], 1)).toBeLessThanOrEqual(3);
  expect(await turnsOf(4, [0, 1], 3)).toBeLessThanOrEqual(3);
  // Members are patient for 5 turns.
  expect(await turnsOf(3, [0, 1], 2)).toBeGreaterThanOrEqual(5);
});

test("a newcomer that does not reach all members disturbs nobody: it is told of them, and waits", () => {
  const cluster = new ManualCluster({ size: 2 });
  cluster.assemble();
  cluster.start(2, [0]);
  // Members are patient for 5 turns.
  for (let turn = 0; turn < 12; turn++) {
    cluster.tick();
    cluster.deliver();
  }
  expect([0, 1].map((rank) => cluster.get(rank).membership.generation)).toEqual([1, 1]);
  expect([0, 1].map((rank) => cluster.get(rank).membership.phase)).toEqual(["member", "member"]);
  expect(cluster.learned.get(2)).toEqual([0, 1]);
  expect(cluster.get(2).membership.missing()).toEqual([1]);
  cluster.link(1, 2);
  cluster.assemble();
  expect(cluster.get(0).membership.view).toMatchObject({ generation: 2, fetching: [2] });
});

test("a job that begins again with fewer ranks goes on from what its register holds", async () => {
  const memberOf = (rank: number) => ({ rank, incarnation: 90 + rank, host: "h", port: rank });
  for (const former of [
    [0, 1, 2],
    [3, 4],
  ]) {
    const members = former.map(memberOf);
    let standing: View = { generation: 7, members, resume: 5, fetching: [], size: 5 };
    const cluster = new ManualCluster({
      size: 2,
      swap: async (expected, next) => {
        if (standing.generation === expected) standing = next;
        return standing;
      },
    });
    for (let turn = 0; turn < 4; turn++) {
      cluster.tick();
      cluster.deliver();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    cluster.assemble();
    expect(standing.generation).toBe(8);
    expect(standing.members.map(({ rank }) => rank)).toEqual([0, 1]);
    expect(cluster.said).toContain(
      `the register knows of ranks ${former.join(", ")}, of an earlier run; awaited are 0, 1`,
    );
  }
});

test("a job that begins again waits for one that had joined it, and that may have gone on", async () => {
  const members = [0, 1, 2].map((rank) => ({
    rank,
    incarnation: 90 + rank,
    host: "h",
    port: rank,
  }));
  const standing: View = { generation: 7, members, resume: 5, fetching: [], size: 2 };
  const cluster = new ManualCluster({ size: 2, swap: async () => standing });
  for (let turn = 0; turn < 4; turn++) {
    cluster.tick();
    cluster.deliver();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  expect(cluster.get(0).membership.missing()).toEqual([2]);
  expect(cluster.get(0).membership.phase).toBe("forming");
});

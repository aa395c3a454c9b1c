import { expect, test } from "bun:test";
import { SmallNetwork } from "./small_network.ts";

test("Membership takes a newcomer in once it reaches all members, not before", () => {
  const network = new SmallNetwork();
  for (const rank of [0, 1, 2]) network.start(rank, 5);
  network.run();
  network.kill(2);
  network.run();
  network.start(2, 0, 2, [1]);
  network.run();
  const ranksOf = (rank: number) => network.peers.get(rank)?.view?.members.map(({ rank }) => rank);
  expect([ranksOf(0), ranksOf(1), ranksOf(2)]).toEqual([[0, 1], [0, 1], undefined]);
  network.link(2, 1, 2);
  network.run();
  expect([ranksOf(0), ranksOf(1), ranksOf(2)]).toEqual([
    [0, 1, 2],
    [0, 1, 2],
    [0, 1, 2],
  ]);
});

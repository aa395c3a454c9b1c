import { expect, test } from "bun:test";
import { SmallNetwork } from "./small_network.ts";

test("Membership does not wait for members of a new view that left before they heard of it", () => {
  const network = new SmallNetwork();
  for (const rank of [0, 1, 2]) network.start(rank, 5);
  network.run();
  const last = network.peers.get(2);
  const [zero, one] = [network.peers.get(0)?.view?.members, network.peers.get(1)?.view?.members];
  expect([zero, one].map((members) => members?.length)).toEqual([3, 3]);
  // All are done. Rank 2 hears that rank 1 has left, and then of a view that rank 0 decided before it heard.
  network.leave(1, (other) => other === 2);
  const members = (zero ?? []).slice();
  last?.received(0, { t: "decide", view: { generation: 2, members, resume: 5, fetching: [] } });
  network.leave(0, () => true);
  network.run();
  expect(last?.phase).toBe("member");
  expect(last?.view?.members.map(({ rank }) => rank)).toEqual([2]);
});

// Who was fetching the state when its donors died has none: it must neither go on from what it has of it,
// nor be counted.
import { expect, test } from "bun:test";
import { firstView, nextView, type Standing } from "../../../cluster/membership/candidacy.ts";
import type { Position } from "../../../cluster/membership/messages.ts";
import type { View } from "../../../cluster/membership/view.ts";
import { SmallNetwork } from "./small_network.ts";

const at = (rank: number, position: Partial<Position>): Standing => ({
  member: { rank, incarnation: 1, host: "h", port: 1 },
  position: { step: 7, held: false, parameters: 1, installed: 1, whole: true, ...position },
});

const viewOf = (
  generation: number,
  standings: readonly Standing[],
  fetching: number[] = [],
): View => ({ generation, members: standings.map(({ member }) => member), resume: 0, fetching });

test("nextView() lets those fetch again who were fetching, and does not count their updates", () => {
  const standings = [at(0, { step: 6 }), at(1, { step: 7, whole: false }), at(2, { step: 6 })];
  const view = nextView(viewOf(3, standings, [1]), standings, [at(5, {}).member]);
  expect(view).toMatchObject({ generation: 4, resume: 6, fetching: [1, 5] });
});

test("nextView() lets those fetch who were to fetch and have not heard of the view", () => {
  const standings = [at(0, { installed: 3 }), at(1, { step: 2, installed: 0 })];
  expect(nextView(viewOf(3, standings, [1]), standings, [])).toMatchObject({ fetching: [1] });
  expect(nextView(viewOf(3, standings, []), standings, [])).toMatchObject({ fetching: [] });
});

test("nextView() and firstView() give no view if nobody has the state", () => {
  const standings = [at(1, { whole: false }), at(2, { whole: false })];
  expect(nextView(viewOf(3, standings, [1, 2]), standings, [])).toBeUndefined();
  expect(firstView(3, standings)).toBeUndefined();
});

test("firstView() does not take a state that is not whole, however far it would be", () => {
  const standings = [at(0, { step: 3, parameters: 4 }), at(1, { step: 9, whole: false })];
  expect(firstView(3, standings)).toMatchObject({ resume: 3, fetching: [1] });
});

test("firstView() prefers who was in the later generation: a checkpoint knows no begun validation", () => {
  const standings = [at(0, { installed: 0 }), at(1, { installed: 4 })];
  expect(firstView(4, standings)).toMatchObject({ resume: 7, fetching: [0] });
  expect(firstView(0, [at(0, { installed: 0 }), at(1, { installed: 0 })])?.fetching).toEqual([]);
});

test("Membership suspends two of three who were fetching from the third, until it is back", () => {
  const network = new SmallNetwork();
  network.start(0, 9);
  const peers = [network.start(1, 0), network.start(2, 0)];
  network.run();
  expect(peers.map(({ view }) => view?.fetching)).toEqual([
    [1, 2],
    [1, 2],
  ]);
  network.kill(0);
  network.run();
  expect(peers.map(({ phase }) => phase)).toEqual(["suspended", "suspended"]);
  expect(peers.map(({ generation }) => generation)).toEqual([1, 1]);
  network.start(0, 5, 2);
  network.run();
  expect(peers.map(({ view }) => view)).toMatchObject([
    { generation: 2, resume: 5, fetching: [1, 2] },
    { generation: 2, resume: 5, fetching: [1, 2] },
  ]);
});

import { expect, test } from "bun:test";
import { WaitingRoom } from "../../../cluster/transport/waiting_room.ts";

/** Lets callers of these names in; what it returns fills as they are turned out. */
function fill(room: WaitingRoom, names: string): { out: string[]; leave: (() => void)[] } {
  const out: string[] = [];
  const leave = [...names].map((name) => room.enter(() => out.push(name)));
  return { out, leave };
}

test("WaitingRoom turns out the one that waits longest where too many wait", () => {
  const room = new WaitingRoom({ patience: 60_000, unproven: 2 });
  const { out, leave } = fill(room, "abcd");
  expect(out).toEqual(["a", "b"]);
  for (const each of leave) each();
});

test("who has left is neither counted nor turned out", () => {
  const room = new WaitingRoom({ patience: 60_000, unproven: 2 });
  const first = fill(room, "ab");
  first.leave[0]();
  first.leave[0]();
  const second = fill(room, "c");
  expect(first.out).toEqual([]);
  for (const each of [...first.leave, ...second.leave]) each();
});

test("who proves nothing is turned out in time", async () => {
  const room = new WaitingRoom({ patience: 20, unproven: 2 });
  const { out, leave } = fill(room, "ab");
  leave[1]();
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(out).toEqual(["a"]);
});

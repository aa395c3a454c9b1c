// Faults of real processes that train one model. matrix.ts plays many more of them.
import { afterAll, expect, test } from "bun:test";
import { many } from "./many.ts";
import { pairs } from "./pairs.ts";
import { partitions } from "./partitions.ts";
import { Stage } from "./stage.ts";
import { strangers } from "./strangers.ts";

// What differs between runtimes are sockets, and test/cluster/transport has these on both.
const isBun = "Bun" in globalThis;
const stage = isBun ? new Stage() : undefined;
afterAll(() => stage?.close());

const scenarios = [
  many,
  ...pairs.filter(({ name }) => name.startsWith("rank 0 of 2 is killed and started")),
  ...partitions.filter(({ name }) => name.includes("rank 0, which leads")),
  ...strangers.filter(({ name }) => name.includes("--update-freq")),
];

test("the scenarios that are to be played are there", () => {
  expect(scenarios.map(({ name }) => name)).toHaveLength(4);
});

for (const { name, obstacle, play } of scenarios) {
  const reason = stage ? obstacle?.() : "played under Bun";
  const told = `${name}: no update is lost or made twice`;
  if (!stage || reason !== undefined) test.skip(`${told} (${reason})`, () => undefined);
  else {
    test(told, async () => {
      try {
        expect(await play(stage)).not.toBe("");
      } finally {
        await stage.clear();
      }
    }, 90_000);
  }
}

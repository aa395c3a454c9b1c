import { expect, test } from "bun:test";
import { RareLines } from "../../../cluster/peer/rare_lines.ts";

test("RareLines tell each kind of refusal once a minute, whatever names strangers give themselves", () => {
  const rare = new RareLines();
  const foreign = (name: string) =>
    `the certificate ${JSON.stringify(name)} is of another authority; make one`;
  const told = Array.from({ length: 1000 }, (_, i) => rare.isDue(foreign(`a"${i}" x${i}`), i));
  expect(told.filter((isTold) => isTold).length).toBe(1);
  expect(rare.isDue("it has another secret; give all peers the same one", 1000)).toBe(true);
  expect(rare.isDue(foreign("b"), 59_999)).toBe(false);
  expect(rare.isDue(foreign("b"), 60_000)).toBe(true);
});

test("RareLines remember few kinds", () => {
  const rare = new RareLines();
  const kinds = Array.from({ length: 1000 }, (_, i) => "x".repeat(i % 190) + "y".repeat(i / 190));
  expect(kinds.filter((kind) => rare.isDue(kind, 5)).length).toBe(32);
  expect(rare.isDue("another", 60_005)).toBe(true);
});

import { expect, test } from "bun:test";
import {
  isLoopback,
  isOfThisMachine,
  isUnspecified,
  outwardHost,
} from "../../../cluster/rendezvous/own_host.ts";

test("a machine knows its own addresses and names", async () => {
  expect(await isOfThisMachine("127.0.0.1")).toBe(true);
  expect(await isOfThisMachine("127.0.1.1")).toBe(true);
  expect(await isOfThisMachine("localhost")).toBe(true);
  expect(await isOfThisMachine(await outwardHost())).toBe(true);
  // Addresses of documentation (RFC 5737), and a name that is never given.
  expect(await isOfThisMachine("203.0.113.7")).toBe(false);
  expect(await isOfThisMachine("no-such-host.invalid")).toBe(false);
});

test("addresses that lead nowhere else are recognised", () => {
  expect(["0.0.0.0", "::", "", "10.0.0.1"].map(isUnspecified)).toEqual([true, true, true, false]);
  expect(["127.0.1.1", "::1", "localhost", "node1"].map(isLoopback)).toEqual([
    ...[true, true, true, false],
  ]);
});

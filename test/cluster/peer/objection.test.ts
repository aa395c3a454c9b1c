import { expect, test } from "bun:test";
import { type Hello, PROTOCOL } from "../../../cluster/membership/messages.ts";
import { objectionTo } from "../../../cluster/peer/objection.ts";

const NOW = Date.UTC(2026, 0, 1);

const hello = (rank: number, different: Partial<Hello> = {}): Hello => ({
  ...{ t: "hello", protocol: PROTOCOL, job: "j", size: 2, joining: false, parameters: 0 },
  self: { rank, incarnation: 1, host: "h", port: 1 },
  agreement: { "version of weft": "0.1.0", settings: "--lr 1\n--update-freq [1]\n--seed 1" },
  ...{ clock: NOW, generation: 0, step: 0, phase: "forming", members: [], installed: 0 },
  ...different,
});

const objection = (different: Partial<Hello>, rank = 1): string | undefined =>
  objectionTo(hello(rank, different), hello(0));

test("objectionTo() lets a peer in that was started alike", () => {
  expect(objection({})).toBeUndefined();
});

test("objectionTo() says what is unlike, and what to do", () => {
  expect(objection({ protocol: PROTOCOL + 1 })).toBe(
    `it speaks version ${PROTOCOL + 1} of the protocol, not ${PROTOCOL}; install one weft on all machines`,
  );
  expect(objection({ job: "k" })).toBe(
    "it belongs to the job k, not j; give each job addresses of its own",
  );
  expect(objection({}, 0)).toBe("two processes are rank 0; give each its own --rank");
  expect(objection({ size: 3 })).toBe("it counts 3 peers, not 2; start all with one list of peers");
  expect(objection({}, 2)).toBe(
    "there are ranks 0 to 1; start it with --join to add it to a running job",
  );
  expect(objection({ size: 3, joining: true }, 2)).toBeUndefined();
  expect(objection({ agreement: { "version of weft": "0.2.0" } })).toBe(
    "its version of weft is 0.2.0, not 0.1.0; start all peers with the same command, data and version",
  );
});

test("objectionTo() names the flags that differ, and those that only one side has", () => {
  const settings = "--lr 1\n--update-freq [4]\n--ema-decay 0.9\n--seed 1";
  expect(objection({ agreement: { "version of weft": "0.1.0", settings } })).toStartWith(
    "its --update-freq is [4], not [1], --ema-decay is 0.9, not unset; start all",
  );
});

test("objectionTo() refuses clocks that differ by more than five minutes, in either direction", () => {
  expect(objection({ clock: NOW + 299_000 })).toBeUndefined();
  expect(objection({ clock: NOW - 299_000 })).toBeUndefined();
  expect(objection({ clock: NOW + 301_000 })).toBe(
    "its clock is 301 s ahead; set the clocks of all machines (NTP)",
  );
  expect(objection({ clock: NOW - 86_400_000 })).toBe(
    "its clock is 86400 s behind; set the clocks of all machines (NTP)",
  );
});

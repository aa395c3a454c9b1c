import { expect, test } from "bun:test";
import { type NetworkOptions, SimulatedNetwork } from "../../../cluster/simulate/network.ts";
import { VirtualTime } from "../../../cluster/simulate/virtual_time.ts";

/** 1,000 payload bytes per second. */
const SLOW: NetworkOptions = {
  ...{ bandwidth: (1000 * 1514) / 1448, latency: 0.5, perMessage: 0, perByte: 0 },
};

function network(options: Partial<NetworkOptions> = {}) {
  const time = new VirtualTime();
  const arrivals: [name: string, at: number][] = [];
  const simulated = new SimulatedNetwork(time, 4, { ...SLOW, ...options });
  const send = (name: string, from: number, to: number, bytes: number, isUrgent = false) => {
    const arrived = () => arrivals.push([name, Number(time.now.toFixed(6))]);
    simulated.send(from, { to, bytes, arrived }, isUrgent);
  };
  const run = () => {
    while (time.step());
    return arrivals;
  };
  return { send, run, simulated };
}

test("VirtualTime runs events by their times, and equal ones in the order in which they were asked for", () => {
  const time = new VirtualTime();
  const seen: string[] = [];
  for (const [at, name] of [
    [2, "c"],
    [1, "a"],
    [2, "d"],
    [1, "b"],
  ] as const) {
    time.at(at, () => seen.push(`${name} at ${time.now}`));
  }
  time.after(1, () => time.at(0, () => seen.push(`late at ${time.now}`)));
  while (time.step());
  expect(seen).toEqual(["a at 1", "b at 1", "late at 1", "c at 2", "d at 2"]);
});

test("a message takes its way, and its bytes the interface", () => {
  const { send, run } = network();
  send("one", 0, 1, 1000);
  expect(run()).toEqual([["one", 1.5]]);
});

test("messages of one machine follow each other, those of several meet at the receiver", () => {
  const { send, run } = network();
  send("first", 0, 2, 1000);
  send("second", 0, 3, 1000);
  send("other", 1, 2, 1000);
  expect(run()).toEqual([
    ["first", 1.5],
    ["other", 2.5],
    ["second", 2.5],
  ]);
});

test("both directions of an interface are used at once", () => {
  const { send, run } = network();
  send("there", 0, 1, 1000);
  send("back", 1, 0, 1000);
  expect(run().map(([, at]) => at)).toEqual([1.5, 1.5]);
});

test("a thread spends its time on each message at both ends, and on one at a time", () => {
  const { send, run } = network({ perMessage: 0.25, perByte: 0.001 });
  send("one", 0, 1, 1000);
  // 1.25 s of the sender, 1.5 s on the way, 1.25 s of the receiver.
  expect(run()).toEqual([["one", 4]]);
});

test("urgent messages overtake what the thread has not written; data may be forgotten before that", () => {
  const { send, run, simulated } = network({ perMessage: 0.25 });
  send("begun", 0, 1, 100);
  send("waits", 0, 1, 100);
  send("urgent", 0, 1, 0, true);
  simulated.dropData(0);
  send("later", 0, 1, 100);
  expect(run().map(([name]) => name)).toEqual(["begun", "urgent", "later"]);
});

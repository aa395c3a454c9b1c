import { expect, test } from "bun:test";
import { openArithmetic } from "../../../cluster/collective/codec.ts";
import { UpdateBarrier } from "../../../cluster/collective/update_barrier.ts";
import type { Message } from "../../../cluster/membership/messages.ts";
import { ExchangeClock } from "../../../cluster/peer/exchange_clock.ts";
import { type SharedValues, Shares } from "../../../cluster/peer/shares.ts";
import { ViewExchange } from "../../../cluster/peer/view_exchange.ts";
import { cutText, PART_BYTES } from "../../../cluster/wire/text_parts.ts";
import { NodePeers } from "./node_peers.ts";

test("peers tell each other the rows of a validation of 100,000 batches", async () => {
  const { peers, low, high } = await NodePeers.two();
  expect([low, high].map(({ of }) => of("assembled").length)).toEqual([1, 1]);
  const rows = JSON.stringify(
    Array.from({ length: 50_000 }, (_, i) => [3000 + i, 100, 12345.678901234 + i, 9876.54321 * i]),
  );
  const values = [rows, rows.replaceAll("1", "2")];
  for (const { node, rank } of [low, high]) {
    node.request({ kind: "share", generation: 1, name: "valid 7", value: values[rank] });
  }
  await peers.pass(200);
  for (const { of } of [low, high]) {
    const [{ values: heard }] = of("shared");
    expect(heard.map(([rank, value]) => value === values[rank])).toEqual([true, true]);
  }
});

/** What a member sends that knows what was shared, and hears one that does not. */
async function answered(known: SharedValues, from: number, name: string): Promise<Message[]> {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const [shares, barrier, clock] = [new Shares(), new UpdateBarrier(0), new ExchangeClock(() => 0)];
  const members = [3, 5].map((rank) => ({ rank, incarnation: 1, host: "h", port: 1 }));
  const sent: Message[] = [];
  const exchange = new ViewExchange({
    ...{ view: { generation: 1, members, resume: 0, fetching: [] }, rank: 3, wire: "f32" },
    numbers: {
      ...{ memory, gradients: [], state: [], parameterBlocks: 0, microBatches: 0 },
      scratch: { address: 0, bytes: 0 },
    },
    ...{ arithmetic: await openArithmetic(memory), barrier, clock, shares },
    send: (_, message) => sent.push(message),
    ...{ sendData: () => undefined, tell: () => undefined, isFetching: () => false },
    ...{ fail: () => undefined, parameters: () => 0 },
  });
  shares.complete(name, known);
  for (const part of cutText("x".repeat(PART_BYTES + 1))) {
    exchange.received(from, { t: "share", generation: 1, name, ...part });
  }
  return sent;
}

test("a member that has missed what all had shared gets it from one that has not", async () => {
  const known: SharedValues = [3, 5].map((rank) => [rank, `${rank}`.repeat(PART_BYTES + 7)]);
  const answers = await answered(known, 5, "a");
  const [shares, own] = [new Shares(), 5];
  shares.add(own, "a", "mine");
  const heard = (from: number) =>
    answers.map((answer) => answer.t === "shared" && shares.addAnswer(from, own, answer));
  const nothing = [undefined, undefined, undefined];
  // A second one that tells the same does not matter.
  expect(heard(3)).toEqual([...nothing, known]);
  expect(heard(4)).toEqual([...nothing, undefined]);
});

test("Shares take values only from those that have one to share, and answers only to what was asked", () => {
  const shares = new Shares();
  const [part] = cutText("value");
  for (const name of ["a", "b", "c", "d"]) shares.add(1, name, shares.addPart(1, name, part) ?? "");
  expect(() => shares.addPart(1, "e", part)).toThrow("rank 1 shares e out of turn");
  expect(() => shares.addPart(1, "a", part)).toThrow("rank 1 shares a out of turn");
  const answer = { t: "shared", generation: 1, name: "a", count: 1, rank: 1, ...part } as const;
  expect(shares.addAnswer(1, 0, answer)).toBeUndefined();
  shares.add(0, "a", "mine");
  expect(shares.addAnswer(1, 0, answer)).toEqual([[1, "value"]]);
});

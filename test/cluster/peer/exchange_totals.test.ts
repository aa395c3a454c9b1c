import { expect, test } from "bun:test";
import type { Sums } from "../../../cluster/collective/update_barrier.ts";
import { ExchangeTotals } from "../../../cluster/peer/exchange_totals.ts";

const stats = { sent: 1e6, received: 1e6, lasted: 100, exposed: 25 };

test("ExchangeTotals tells how many tokens a peer computes in the seconds that it took for an update", () => {
  const totals = new ExchangeTotals();
  const sums = new Map<number, Sums>([
    [
      0,
      {
        parameters: 1,
        busy: 0.5,
        rows: [
          [0, [300, 9]],
          [2, [200, 9]],
        ],
      },
    ],
    [1, { parameters: 1, busy: 0.25, rows: [[1, [100, 9]]] }],
  ]);
  totals.add({ step: 1, sums }, stats, "update");
  totals.add({ step: 2, sums }, stats, "update");
  expect(Object.fromEntries(totals.take())).toEqual({
    ...{ exchanged_mb: 2, hidden: 75, wps_0: 1000, wps_1: 400 },
  });
  expect(totals.take().size).toBe(0);
});

test("ExchangeTotals tells the same of a round, in which peers compute before they exchange", () => {
  const totals = new ExchangeTotals();
  const sums = new Map<number, Sums>([
    [0, { parameters: 1, busy: 0, rows: [[0, [3000, 6]]] }],
    [1, { parameters: 1, busy: 0, rows: [[1, [3000, 3]]] }],
    // One that came during the round.
    [2, { parameters: 1, busy: 0, rows: [] }],
  ]);
  totals.add({ step: 1, sums }, stats, "round");
  const { wps_0, wps_1, wps_2 } = Object.fromEntries(totals.take());
  expect([wps_0, wps_1, wps_2]).toEqual([500, 1000, 0]);
});

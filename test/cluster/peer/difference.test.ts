import { expect, test } from "bun:test";
import type { Sums } from "../../../cluster/collective/update_barrier.ts";
import { difference } from "../../../cluster/peer/difference.ts";

/** An update before which the peers' parameters had these hashes. */
const heldWith = (hashes: readonly number[]) => ({
  step: 7,
  sums: new Map(
    hashes.map((parameters, rank): [number, Sums] => [rank, { parameters, rows: [], busy: 0 }]),
  ),
});

test("difference() finds nothing where all parameters are equal", () => {
  expect(difference(heldWith([5]))).toBeUndefined();
  expect(difference(heldWith([5, 5, 5]))).toBeUndefined();
});

test("difference() names the update, those who are not as most are, and what to compare", () => {
  expect(difference(heldWith([4, 5, 5]))).toStartWith(
    "after update 7 the parameters of rank 0 differ",
  );
  expect(difference(heldWith([5, 4, 5, 3, 5]))).toContain("of ranks 1, 3 differ from the others'");
  expect(difference(heldWith([5, 4, 4, 5]))).toContain(
    "of ranks 0, 1, 2, 3 differ from each other;",
  );
  expect(difference(heldWith([5, 4]))).toContain("compare the devices, threads and BLAS");
});

test("difference() tells the same whichever peer asks, in whatever order it has heard the others", () => {
  const { step, sums } = heldWith([5, 4]);
  const elsewhere = { step, sums: new Map([...sums].reverse()) };
  expect(difference(elsewhere)).toBe(difference({ step, sums }));
  expect(difference(elsewhere)).toContain("of ranks 0, 1 differ from each other;");
});

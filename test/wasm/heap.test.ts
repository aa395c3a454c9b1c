import { expect, test } from "bun:test";
import fc from "fast-check";
import { pack } from "../../src/device/cpu/arena.ts";
import { shareOf } from "../../src/device/cpu/commands.ts";
import { Heap, OutOfMemoryError } from "../../src/wasm/heap.ts";

const owner = { place: "a test", remedy: "ask for less" };

test("Heap gives out blocks that never overlap, and takes everything back", () => {
  const requests = fc.array(fc.record({ bytes: fc.nat(5000), release: fc.boolean() }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(requests, (steps) => {
      const heap = new Heap(100, 2 ** 20, () => {}, owner);
      const live: { address: number; bytes: number }[] = [];
      for (const { bytes, release } of steps) {
        const address = heap.allocate(bytes);
        expect(address % 64).toBe(0);
        for (const other of live) {
          const apart = address + bytes <= other.address || other.address + other.bytes <= address;
          expect(apart).toBe(true);
        }
        live.push({ address, bytes });
        if (release) heap.release(live.splice(Math.floor(live.length / 2), 1)[0].address);
      }
      for (const { address } of live) heap.release(address);
      expect(heap.bytes).toBe(0);
      // All in one piece again: the whole range can be had at once.
      expect(heap.allocate(2 ** 19)).toBe(128);
    }),
  );
});

test("Heap refuses what does not fit, with both sizes", () => {
  const heap = new Heap(0, 2 ** 20, () => {}, owner);
  heap.allocate(2 ** 19);
  expect(() => heap.allocate(2 ** 20)).toThrow(OutOfMemoryError);
  expect(() => heap.allocate(2 ** 20)).toThrow(/1 MiB more do not fit/);
});

test("pack() never lets two values that live together overlap", () => {
  const lifetimes = fc.array(
    fc
      .record({ bytes: fc.nat(2000), first: fc.nat(20), length: fc.nat(10) })
      .map(({ bytes, first, length }) => ({ bytes, first, last: first + length })),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(lifetimes, (values) => {
      const { offsets, bytes } = pack(values);
      for (const [i, a] of values.entries()) {
        expect(offsets[i] + a.bytes).toBeLessThanOrEqual(bytes);
        for (const [j, b] of values.entries()) {
          if (j >= i || a.last < b.first || b.last < a.first) continue;
          const apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
          expect(apart).toBe(true);
        }
      }
    }),
  );
});

test("shareOf() hands out every unit once, in multiples of the grain", () => {
  fc.assert(
    fc.property(
      fc.nat(500),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 7 }),
      (work, grain, threads) => {
        let next = 0;
        for (let thread = 0; thread < threads; thread++) {
          const [start, end] = shareOf(work, grain, thread, threads);
          expect(start).toBe(next);
          expect(start % grain === 0 || start === work).toBe(true);
          next = end;
        }
        expect(next).toBe(work);
      },
    ),
  );
});

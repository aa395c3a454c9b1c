import { expect, test } from "bun:test";
import fc from "fast-check";
import { compileKernels } from "../../../edge/platforms/file_kernels.ts";
import { Kernels } from "../../../edge/runtime/kernels.ts";
import { PastPlaces } from "../../../edge/runtime/past.ts";

const module = await compileKernels();

test("takeAll() takes nothing when there is not room for all", async () => {
  const kernels = await Kernels.open(module, 3 * 65536);
  const past = new PastPlaces(kernels, 1024);
  const some = past.takeAll([undefined, undefined]);
  expect(() => past.takeAll(Array.from({ length: 200 }, () => some[0]))).toThrow("more do not fit");
  expect(past.size).toBe(2);
  for (const place of some) past.drop(place);
  expect(past.size).toBe(0);
});

test("PastPlaces keeps exactly the histories that rows go on from, whatever is reordered", async () => {
  const kernels = await Kernels.open(module);
  // For each step: how many rows, and which row of the step before each continues.
  const searches = fc.array(fc.array(fc.nat(7), { minLength: 1, maxLength: 8 }), { maxLength: 30 });
  fc.assert(
    fc.property(searches, (steps) => {
      const past = new PastPlaces(kernels, 64);
      let rows: { place: number; history: number[] }[] = [];
      for (const parents of steps) {
        const next = parents.map((parent) => {
          const before = rows.length > 0 ? rows[parent % rows.length] : undefined;
          const place = past.take(before?.place);
          return { place, history: [...(before?.history ?? []), past.at(place)] };
        });
        for (const { place } of rows) past.drop(place);
        rows = next;
        expect(past.size).toBe(new Set(rows.flatMap(({ history }) => history)).size);
        for (const { place, history } of rows) {
          const written = new Int32Array(history.length + 2);
          past.write(place, history.length, written, 1);
          expect([...written]).toEqual([0, ...history, 0]);
        }
      }
      for (const { place } of rows) past.drop(place);
      expect(past.size).toBe(0);
      past.release();
    }),
  );
  expect(kernels.heap.bytes).toBe(0);
});

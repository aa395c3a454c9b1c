// Initial values are the same numbers whoever draws them: the host, or any number of threads.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Draw, drawInto, gauss } from "../../kernels/random/draws.ts";
import { philox } from "../../kernels/random/philox.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";

const draws = fc.record<Draw>({
  kind: fc.constantFrom("uniform", "normal"),
  scale: fc.double({ min: 1e-3, max: 10, noNaN: true }),
  seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  stream: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  counter: fc.integer({ min: 0, max: 2 ** 20 }),
});

for (const threads of [1, 3]) {
  test(`${threads} threads draw the bits of drawInto(), and nothing beside them`, async () => {
    const device = await openCpuDevice({ threads });
    const { memory, allocate, draw } = device.shared;
    const most = 20_000;
    const address = allocate((most + 1) * 4);
    const lengths = fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: most }));
    fc.assert(
      fc.property(draws, lengths, (what, length) => {
        const values = new Float32Array(memory.buffer, address, length + 1).fill(7);
        draw(values.subarray(0, length), what);
        const wanted = new Float32Array(length);
        drawInto(wanted, what);
        expect(Buffer.from(values.slice(0, length).buffer)).toEqual(Buffer.from(wanted.buffer));
        expect(values[length]).toBe(7);
      }),
      { numRuns: 60 },
    );
    await device.close();
  });
}

test("gauss() is Box and Muller's transform of two words", () => {
  const words = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const ends = fc.constantFrom(0, 1, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 3 * 2 ** 30, 2 ** 32 - 1);
  const either = fc.oneof(words, ends);
  fc.assert(
    fc.property(either, either, (first, second) => {
      const [u, v] = [first, second].map((word) => (word + 0.5) / 2 ** 32);
      const wanted = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
      expect(Math.abs(gauss(first, second) - wanted)).toBeLessThan(1e-10);
    }),
    { numRuns: 5000 },
  );
});

test("drawInto() maps words evenly to [-scale, scale]", () => {
  const values = new Float32Array(4);
  drawInto(values, { kind: "uniform", scale: 0.5, seed: 3, stream: 4, counter: 9 });
  const words = philox([9, 0, 0, 1], [3, 4]);
  for (const [i, word] of words.entries()) {
    expect(values[i]).toBeCloseTo(word / 2 ** 32 - 0.5, 7);
  }
});

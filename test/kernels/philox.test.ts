import { expect, test } from "bun:test";
import { dropoutMultiplier, dropoutOdds, philox, philoxHalf } from "../../kernels/random/philox.ts";

const words = (hex: string): number[] => hex.split(" ").map((word) => Number.parseInt(word, 16));

type Counter = [number, number, number, number];

test("philox() gives Random123's known answers for 4x32-10", () => {
  // kat_vectors of Random123: zeros, ones, digits of pi.
  const cases: [string, string, string][] = [
    ["0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [
      "ffffffff ffffffff ffffffff ffffffff",
      "ffffffff ffffffff",
      "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ],
    [
      "243f6a88 85a308d3 13198a2e 03707344",
      "a4093822 299f31d0",
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    ],
  ];
  for (const [counter, key, want] of cases) {
    expect(philox(words(counter) as Counter, words(key) as [number, number])).toEqual(
      words(want) as Counter,
    );
  }
});

test("philoxHalf() takes half i & 1 of word (i >> 1) & 3 of counter i >> 3", () => {
  const key = { seed: 7, update: 3, microBatch: 2, stream: 11 };
  const block = philox([5, 3, 2, 0], [7, 11]);
  for (const [word, bits] of block.entries()) {
    expect(philoxHalf(40 + 2 * word, key)).toBe(bits % 65536);
    expect(philoxHalf(40 + 2 * word + 1, key)).toBe(Math.floor(bits / 65536));
  }
});

test("dropoutMultiplier() drops the share p and keeps the mean", () => {
  const key = { seed: 1, update: 1, microBatch: 0, stream: 0 };
  let dropped = 0;
  let total = 0;
  for (let element = 0; element < 100_000; element++) {
    const multiplier = dropoutMultiplier(element, 0.3, key);
    if (multiplier === 0) dropped++;
    total += multiplier;
  }
  expect(dropped / 100_000).toBeCloseTo(0.3, 2);
  expect(total / 100_000).toBeCloseTo(1, 2);
  expect(dropoutOdds(0.5)).toEqual({ threshold: 2 ** 15, scale: 2 });
  expect(dropoutOdds(0)).toEqual({ threshold: 0, scale: 1 });
  for (const p of [0.1, 0.3, 1 / 3, 0.999]) {
    const { threshold, scale } = dropoutOdds(p);
    expect(Math.abs(threshold / 65536 - p)).toBeLessThanOrEqual(1 / 131072);
    expect(scale * (1 - threshold / 65536)).toBeCloseTo(1, 12);
  }
});

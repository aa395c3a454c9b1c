import { expect } from "bun:test";
import { NumpyRandom, tupleSeed } from "../../src/data/numpy_random.ts";
import { goldenTest, readGolden } from "../support/golden.ts";

interface NumpyCase {
  seed: number;
  permutation: Record<string, number[]>;
  permutation_300_first20: number[];
  shuffle_list_of_lists: Record<string, number[]>;
  rand3: number[];
  rand_12_last: number;
  randint_below_7_x10: number[];
  randint_0_1_then_0_5: number[];
  randint_1_4: number;
  uniform_0_3_x4: number[];
  choice_6_of_10_no_replace: number[];
  choice_6_of_10_replace: number[];
}

interface RngGolden {
  mt19937_raw: { cases: { seed: number; first10: number[]; out_623_626: number[] }[] };
  mt19937_array_seed: {
    cases: {
      seed: number[];
      first10: number[];
      choice_with_replacement_20_of_9: number[];
      choice_without_replacement_5_of_9: number[];
    }[];
  };
  numpy: { cases: NumpyCase[] };
  numpy_seed_tuple: { cases: { args: (number | null)[]; seed?: number | null }[] };
}

const golden = () => readGolden<RngGolden>("data/rng.json");
const times = <T>(n: number, draw: () => T): T[] => Array.from({ length: n }, draw);

goldenTest("NumpyRandom gives the raw outputs of init_genrand", "data/rng.json", () => {
  for (const { seed, first10, out_623_626 } of golden().mt19937_raw.cases) {
    const random = new NumpyRandom(seed);
    const outputs = times(627, () => random.uint32());
    expect(outputs.slice(0, 10)).toEqual(first10);
    expect(outputs.slice(623)).toEqual(out_623_626);
  }
});

goldenTest("NumpyRandom seeds from a list as init_by_array", "data/rng.json", () => {
  for (const c of golden().mt19937_array_seed.cases) {
    const random = new NumpyRandom(c.seed);
    expect(times(10, () => random.uint32())).toEqual(c.first10);
    expect([...new NumpyRandom(c.seed).choice(9, 20)]).toEqual(c.choice_with_replacement_20_of_9);
    expect([...new NumpyRandom(c.seed).choice(9, 5, false)]).toEqual(
      c.choice_without_replacement_5_of_9,
    );
  }
});

goldenTest("NumpyRandom draws what numpy draws", "data/rng.json", () => {
  for (const c of golden().numpy.cases) {
    const fresh = () => new NumpyRandom(c.seed);
    for (const [n, order] of Object.entries(c.permutation)) {
      expect([...fresh().permutation(Number(n))]).toEqual(order);
    }
    expect([...fresh().permutation(300).slice(0, 20)]).toEqual(c.permutation_300_first20);
    for (const [n, order] of Object.entries(c.shuffle_list_of_lists)) {
      const list = Array.from({ length: Number(n) }, (_, i) => [i]);
      fresh().shuffle(list);
      expect(list.flat()).toEqual(order);
    }
    const three = fresh();
    expect(times(3, () => three.random())).toEqual(c.rand3);
    const twelve = fresh();
    expect(times(12, () => twelve.random()).at(-1)).toBe(c.rand_12_last);
    const seven = fresh();
    expect(times(10, () => seven.randint(0, 7))).toEqual(c.randint_below_7_x10);
    const one = fresh();
    expect([one.randint(0, 1), one.randint(0, 5)]).toEqual(c.randint_0_1_then_0_5);
    expect(fresh().randint(1, 4)).toBe(c.randint_1_4);
    const uniform = fresh();
    for (const [i, value] of times(4, () => uniform.uniform(0, 3)).entries()) {
      expect(value).toBeCloseTo(c.uniform_0_3_x4[i] ?? Number.NaN, 12);
    }
    expect([...fresh().choice(10, 6, false)]).toEqual(c.choice_6_of_10_no_replace);
    expect([...fresh().choice(10, 6)]).toEqual(c.choice_6_of_10_replace);
  }
});

goldenTest("tupleSeed() is CPython's tuple hash through float64", "data/rng.json", () => {
  let checked = 0;
  for (const { args, seed } of golden().numpy_seed_tuple.cases) {
    if (seed == null || args.includes(null)) continue;
    const [first = 0, ...more] = args.map(Number);
    expect(tupleSeed(first, ...more)).toBe(seed);
    checked++;
  }
  expect(checked).toBeGreaterThan(5);
});

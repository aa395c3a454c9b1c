import { expect, test } from "bun:test";
import { UserError } from "../../src/config/user_error.ts";
import { CountingIterator, GroupedIterator } from "../../src/data/counting_iterator.ts";
import {
  EpochBatchIterator,
  type EpochIteratorOptions,
  type EpochIteratorState,
  type IndexBatch,
} from "../../src/data/epoch_iterator.ts";
import { goldenTest, readGolden } from "../support/golden.ts";

const file = "data/iterators.json";
const golden = () =>
  readGolden<{ sets: Record<string, number[][]>; cases: { kind: string }[] }>(file);
const goldenCase = <T>(kind: string): T[] => golden().cases.filter((c) => c.kind === kind) as T[];

/** Batches are named by their index in the set; -1 is an empty filler. */
function iterator(set: string, options: Omit<EpochIteratorOptions, "batches">) {
  const batches: IndexBatch[] = (golden().sets[set] ?? []).map((batch) => Int32Array.from(batch));
  const name = (batch: IndexBatch): number => batches.indexOf(batch);
  return { epochs: EpochBatchIterator.ofShard({ batches, ...options }), name };
}

goldenTest("EpochBatchIterator gives every shard fairseq's order", file, () => {
  type Row = [string, number, number, number, number, 0 | 1, number[]];
  for (const { rows } of goldenCase<{ rows: Row[] }>("order")) {
    for (const [set, seed, epoch, numShards, shardId, shuffle, order] of rows) {
      const { epochs, name } = iterator(set, { seed, epoch, numShards, shardId });
      expect(Array.from(epochs.nextEpoch({ shuffle: shuffle === 1 }), name)).toEqual(order);
    }
  }
});

interface Epochs {
  set: string;
  seed: number;
  num_shards: number;
  shard_id: number;
  epochs: {
    next_epoch_idx_before: number;
    epoch: number;
    order: number[];
    end_of_epoch: boolean;
    iterations_in_epoch: number;
    state_dict: EpochIteratorState;
    next_epoch_idx_after: number;
  }[];
}

goldenTest("EpochBatchIterator walks through epochs", file, () => {
  for (const { rows } of goldenCase<{ rows: Epochs[] }>("epochs")) {
    for (const row of rows) {
      const { epochs, name } = iterator(row.set, {
        seed: row.seed,
        numShards: row.num_shards,
        shardId: row.shard_id,
      });
      for (const expected of row.epochs) {
        expect(epochs.nextEpochIndex).toBe(expected.next_epoch_idx_before);
        expect(Array.from(epochs.nextEpoch(), name)).toEqual(expected.order);
        expect(epochs.epoch).toBe(expected.epoch);
        expect(epochs.endOfEpoch()).toBe(expected.end_of_epoch);
        expect(epochs.iterationsInEpoch).toBe(expected.iterations_in_epoch);
        expect(epochs.state()).toMatchObject(expected.state_dict);
        expect(epochs.nextEpochIndex).toBe(expected.next_epoch_idx_after);
      }
    }
  }
});

goldenTest("EpochBatchIterator begins an unfinished epoch again", file, () => {
  type Restart = {
    set: string;
    seed: number;
    first3: number[];
    state_after_3: EpochIteratorState;
    second: number[];
  };
  for (const { set, seed, first3, state_after_3, second } of goldenCase<Restart>(
    "restart_same_epoch",
  )) {
    const { epochs, name } = iterator(set, { seed });
    const walk = epochs.nextEpoch();
    const first = first3.map(() => name(walk.next().value ?? new Int32Array(0)));
    expect(first).toEqual(first3);
    expect(epochs.state()).toMatchObject(state_after_3);
    expect(Array.from(epochs.nextEpoch(), name)).toEqual(second);
    expect(epochs.epoch).toBe(1);
  }
});

goldenTest("fixBatchesToShards and groupedShuffling give fairseq's orders", file, () => {
  type Row = [string, number, number, number, number, number[], number[]];
  for (const { rows } of goldenCase<{ rows: Row[] }>("fix_and_grouped")) {
    for (const [set, seed, epoch, numShards, shardId, fixed, grouped] of rows) {
      const place = { seed, epoch, numShards, shardId };
      const fix = iterator(set, { ...place, fixBatchesToShards: true });
      expect(Array.from(fix.epochs.nextEpoch(), fix.name)).toEqual(fixed);
      const group = iterator(set, { ...place, groupedShuffling: true });
      const order = Array.from(group.epochs.nextEpoch(), group.name);
      // fairseq loses the batches after the last full block; weft gives them out at the end.
      expect(order.slice(0, grouped.length)).toEqual(grouped);
      expect(order.length).toBe(group.epochs.length);
    }
  }
});

test("groupedShuffling gives out every batch exactly once", () => {
  const batches = Array.from({ length: 11 }, (_, i) => Int32Array.of(i));
  const seen = [0, 1, 2].flatMap((shardId) =>
    [
      ...EpochBatchIterator.ofShard({
        batches,
        seed: 3,
        numShards: 3,
        shardId,
        groupedShuffling: true,
      }).nextEpoch(),
    ].flatMap((batch) => [...batch]),
  );
  expect(seen.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

goldenTest("skipRemainderBatch and disableShuffling behave as fairseq's", file, () => {
  type Row = [string, number, 0 | 1, 0 | 1, number, number, number, number[], 0 | 1];
  for (const { rows } of goldenCase<{ rows: Row[] }>("skip_and_buffer")) {
    for (const [set, numShards, skip, fixed, length, shardLength, , order, ended] of rows) {
      const { epochs, name } = iterator(set, {
        seed: 2,
        numShards,
        shardId: numShards - 1,
        skipRemainderBatch: skip === 1,
        disableShuffling: fixed === 1,
      });
      const walk = epochs.nextEpoch();
      expect(walk.length).toBe(length);
      expect(epochs.length).toBe(shardLength);
      expect(Array.from(walk, name)).toEqual(order);
      expect(epochs.endOfEpoch()).toBe(ended === 1);
    }
  }
});

goldenTest("GroupedIterator makes the groups of --update-freq", file, () => {
  type Step = [number[], number, number, 0 | 1];
  type End = { base_len_after: number; end_of_epoch: boolean; state: EpochIteratorState };
  type Row = [string, number, number, 0 | 1, number, Step[], End];
  for (const { rows } of goldenCase<{ rows: Row[] }>("grouped")) {
    for (const [set, numShards, size, skip, length, steps, end] of rows) {
      const { epochs, name } = iterator(set, { seed: 4, numShards });
      const walk = epochs.nextEpoch();
      const groups = new GroupedIterator(walk, size, skip === 1);
      expect(groups.length).toBe(length);
      const seen = Array.from(groups, (group) => [
        group.map(name),
        groups.n,
        walk.n,
        epochs.endOfEpoch() ? 1 : 0,
      ]);
      expect(seen).toEqual(steps);
      expect(walk.length).toBe(end.base_len_after);
      expect(epochs.endOfEpoch()).toBe(end.end_of_epoch);
      expect(epochs.state()).toMatchObject(end.state);
    }
  }
  type Both = [string, number, number, number, number[][], number];
  for (const { rows } of goldenCase<{ rows: Both[] }>("both_skips")) {
    for (const [set, numShards, size, length, expected, left] of rows) {
      const { epochs, name } = iterator(set, { seed: 4, numShards, skipRemainderBatch: true });
      const walk = epochs.nextEpoch();
      const groups = new GroupedIterator(walk, size, true);
      expect(groups.length).toBe(length);
      expect(Array.from(groups, (group) => group.map(name))).toEqual(expected);
      expect(walk.length).toBe(left);
    }
  }
});

interface Resume {
  set: string;
  state: EpochIteratorState;
  loaded_with: [number, number, number];
  resumed: {
    error?: string;
    epoch: number;
    iterations_in_epoch: number;
    next_epoch_idx: number;
    itr_n: number;
    itr_len: number;
    grouped_n: number;
    grouped_len: number;
    groups: number[][];
    following_epoch: number;
    following_first: number[];
  };
}

goldenTest("EpochBatchIterator resumes where fairseq resumes", file, () => {
  for (const { rows } of goldenCase<{ rows: Resume[] }>("resume")) {
    for (const { set, state, loaded_with, resumed } of rows) {
      const [numShards, shardId, size] = loaded_with;
      const { epochs, name } = iterator(set, { seed: 5, numShards, shardId });
      if (resumed.error) {
        expect(() => epochs.loadState(state)).toThrow(UserError);
        continue;
      }
      epochs.loadState(state);
      expect(epochs.epoch).toBe(resumed.epoch);
      expect(epochs.iterationsInEpoch).toBe(resumed.iterations_in_epoch);
      expect(epochs.nextEpochIndex).toBe(resumed.next_epoch_idx);
      const walk = epochs.nextEpoch();
      expect([walk.n, walk.length]).toEqual([resumed.itr_n, resumed.itr_len]);
      const groups = new GroupedIterator(walk, size);
      const given = Array.from(groups, (group) => group.map(name));
      expect(groups.hasNext()).toBe(false);
      if ((state.iterations_in_epoch ?? 0) % size === 0) {
        expect(groups.length).toBe(resumed.grouped_len);
        expect(given).toEqual(resumed.groups);
        const following = epochs.nextEpoch();
        expect(epochs.epoch).toBe(resumed.following_epoch);
        const first = new GroupedIterator(following, size).next().value ?? [];
        expect(first.slice(0, 1).map(name)).toEqual(resumed.following_first.slice(0, 1));
      } else {
        // fairseq loses the tail here and begins the same epoch again; weft gives out what is left.
        expect(given.flat().slice(0, resumed.groups.flat().length)).toEqual(resumed.groups.flat());
        expect(given.flat().length).toBe(walk.length - resumed.itr_n);
        expect(epochs.endOfEpoch()).toBe(true);
      }
    }
  }
});

goldenTest("EpochBatchIterator refuses places that do not exist", file, () => {
  type Special = {
    set: string;
    rows: {
      state: EpochIteratorState;
      result: { error?: string; epoch: number; n: number; len: number; order: number[] };
    }[];
  };
  for (const { set, rows } of goldenCase<Special>("resume_special")) {
    for (const { state, result } of rows) {
      const { epochs, name } = iterator(set, { seed: 5 });
      if (result.error) {
        expect(() => epochs.loadState(state)).toThrow("--reset-dataloader");
        continue;
      }
      epochs.loadState(state);
      const walk = epochs.nextEpoch();
      expect({ epoch: epochs.epoch, n: walk.n, len: walk.length }).toEqual({
        epoch: result.epoch,
        n: result.n,
        len: result.len,
      });
      expect(Array.from(walk, name)).toEqual(result.order);
    }
  }
});

const tenBatches = (): Int32Array[] =>
  Array.from({ length: 10 }, (_, i) => Int32Array.of(2 * i, 2 * i + 1));

test("EpochBatchIterator resumes at any micro-batch with what was left", () => {
  const options = { batches: tenBatches(), seed: 11 };
  const uninterrupted = EpochBatchIterator.ofShard(options);
  const whole = [...uninterrupted.nextEpoch(), ...uninterrupted.nextEpoch()];
  for (let stop = 0; stop < 20; stop++) {
    const first = EpochBatchIterator.ofShard(options);
    const before: IndexBatch[] = [];
    let walk = first.nextEpoch();
    while (before.length < stop) {
      if (!walk.hasNext()) walk = first.nextEpoch();
      const batch = walk.next();
      if (!batch.done) before.push(batch.value);
    }
    const state = JSON.parse(JSON.stringify(first.state()));
    const second = EpochBatchIterator.ofShard(options);
    second.loadState(state);
    const after = [...second.nextEpoch()];
    while (before.length + after.length < 20) after.push(...second.nextEpoch());
    expect([...before, ...after]).toEqual(whole);
  }
});

test("EpochBatchIterator refuses to go on mid-epoch with other batches", () => {
  const saved = EpochBatchIterator.ofShard({ batches: tenBatches(), seed: 1 });
  saved.nextEpoch().skip(3);
  const other = EpochBatchIterator.ofShard({ batches: tenBatches().slice(1), seed: 1 });
  expect(() => other.loadState(saved.state())).toThrow(
    "checkpoint at epoch 1, batch 3: training cannot go on from there",
  );
  saved.nextEpoch().skip(10);
  other.loadState(saved.state());
  expect(other.nextEpochIndex).toBe(2);
});

test("EpochBatchIterator keeps its global place when the number of shards changes", () => {
  const options = { batches: tenBatches(), seed: 1 };
  const whole = [...EpochBatchIterator.ofShard(options).nextEpoch()];
  const two = EpochBatchIterator.ofShard({ ...options, numShards: 2 });
  two.nextEpoch().skip(2);
  const one = EpochBatchIterator.ofShard(options);
  one.loadState(two.state());
  expect([...one.nextEpoch()]).toEqual(whole.slice(4));
  const three = EpochBatchIterator.ofShard({ ...options, numShards: 3 });
  expect(() => three.loadState(two.state())).toThrow("3 shards cannot go on where 2 were");
});

test("EpochBatchIterator names the remedy when there is no batch", () => {
  const empty = EpochBatchIterator.ofShard({ batches: [], seed: 1 });
  expect([...empty.nextEpoch()]).toEqual([]);
  expect(() => empty.firstBatch).toThrow("raise --max-tokens");
  expect(() =>
    EpochBatchIterator.ofShard({ batches: [], seed: 1, shardId: 2, numShards: 2 }),
  ).toThrow("--shard-id");
});

test("CountingIterator counts from the list's start and can be cut", () => {
  const walk = new CountingIterator([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 3);
  expect([walk.length, walk.n, walk.next().value]).toEqual([10, 3, 3]);
  expect(walk.skip(2).n).toBe(6);
  expect([...walk.take(9)]).toEqual([6, 7, 8]);
  expect([walk.n, walk.hasNext()]).toEqual([9, false]);
});

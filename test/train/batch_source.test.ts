import { expect, test } from "bun:test";
import { dataset as schema } from "../../src/config/schemas/dataset.ts";
import { Dictionary } from "../../src/data/dictionary.ts";
import type { EpochIteratorState } from "../../src/data/epoch_iterator.ts";
import { LanguagePairDataset } from "../../src/data/language_pair_dataset.ts";
import { tokenList } from "../../src/data/token_dataset.ts";
import type { Task } from "../../src/tasks/task.ts";
import { type BatchShards, BatchSource } from "../../src/train/batch_source.ts";

const SENTENCES = Array.from({ length: 24 }, (_, i) => [4 + i, 2]);

const task = {
  maxPositions: [64, 64],
  loadDataset: () =>
    new LanguagePairDataset({
      ...{ source: tokenList(SENTENCES), target: tokenList(SENTENCES) },
      ...{ sourceDictionary: new Dictionary(), targetDictionary: new Dictionary() },
    }),
} as unknown as Task;

/** 24 batches of one sentence. */
function source(wanted: BatchShards): { batches: BatchSource; said: string[] } {
  const said: string[] = [];
  const config = schema.parse({ data: "nowhere", batch_size: 1, required_batch_size_multiple: 1 });
  const say = (line: string) => said.push(line);
  return { batches: new BatchSource(task, config, 1, [64, 64], say, wanted), said };
}

/** Where a run with updates of two batches stands after five of them. */
function checkpoint(): { state: EpochIteratorState; next: number[] } {
  const { batches } = source({ given: undefined, peers: 2 });
  const rounds = batches.epochs(1).nextEpoch();
  for (let update = 0; update < 5; update++) rounds.next();
  const state = batches.epochs(1).state();
  return { state, next: idsOf(rounds.next().value) };
}

const idsOf = (round: readonly Int32Array[] | undefined): number[] =>
  (round ?? []).flatMap((ids) => [...ids]);

const nextOf = (batches: BatchSource): number[] =>
  idsOf(batches.epochs(1).nextEpoch().next().value);

test("BatchSource goes on with the batches that an update had, however many peers there are now", () => {
  const { state, next } = checkpoint();
  const { batches, said } = source({ given: undefined, peers: 4 });
  batches.resume(state);
  expect(batches.shards).toBe(2);
  expect(nextOf(batches)).toEqual(next);
  expect(said).toEqual([
    "updates go on being made of 2 x --update-freq batches, as in the checkpoint; " +
      "--batch-shards would change that",
  ]);
});

test("BatchSource changes the batches of an update if --batch-shards says so, and says that it does", () => {
  const { state, next } = checkpoint();
  const { batches, said } = source({ given: 5, peers: 4 });
  batches.resume(state);
  expect(batches.shards).toBe(5);
  expect(nextOf(batches).slice(0, 2)).toEqual(next);
  expect(said).toEqual([
    "updates are made of 5 x --update-freq batches from now on, as --batch-shards says; " +
      "in the checkpoint they were made of 2",
  ]);
});

test("BatchSource refuses --batch-shards where updates of that size cannot begin", () => {
  const { batches } = source({ given: 3, peers: 4 });
  expect(() => batches.resume(checkpoint().state)).toThrow(
    "--batch-shards 3: the checkpoint's updates are made of 2 batches, 10 of epoch 1 so far, which cannot " +
      "be cut into updates of 3;\n  give --batch-shards 2, or leave the flag out, to go on as before; or " +
      "pass --reset-dataloader to begin with epoch 1 anew",
  );
});

// What is said and refused before the first step, with a trainer that plans by arithmetic.
import { expect, test } from "bun:test";
import { UserError } from "../../src/config/user_error.ts";
import { type BatchedSet, type BatchShape, largestBatches } from "../../src/train/batch_source.ts";
import { announceMemory, refuseTooLarge } from "../../src/train/memory.ts";
import type { Trainer } from "../../src/train/trainer.ts";

/** A trainer whose state is 8 MiB, on a device that tells this limit. */
const trainer = (limit: number | undefined, cost: (shape: BatchShape) => number = () => 0) =>
  ({
    options: {
      parameters: { bytes: 2 ** 22, elements: 2 ** 19 },
      optimizer: {
        state: new Map([
          ["m", {}],
          ["v", {}],
        ]),
      },
      device: { memory: () => ({ variables: 0, temporaries: 0, limit }) },
    },
    average: undefined,
    plan: cost,
    pieces: ([sentences]: BatchShape) => (sentences > 3 ? 2 : 1),
    planValidation: cost,
  }) as unknown as Trainer;

const setOf = (batches: (readonly [source: number, target: number])[][]): BatchedSet => {
  const sizes = batches.flat();
  let next = 0;
  return {
    dataset: { options: {}, size: (id: number) => sizes[id] },
    batches: batches.map((batch) => Int32Array.from(batch, () => next++)),
  } as unknown as BatchedSet;
};

test("refuseTooLarge() refuses only what a known limit does not hold", () => {
  expect(() => refuseTooLarge(trainer(2 ** 23))).not.toThrow();
  expect(() => refuseTooLarge(trainer(2 ** 23 - 1))).toThrow(UserError);
  expect(() => refuseTooLarge(trainer(undefined))).not.toThrow();
});

test("largestBatches() offers the most source tokens, the most target tokens and the most of both", () => {
  const set = setOf([[[1, 50]], [[60, 1]], [[40, 40]], [[2, 2]]]);
  expect(largestBatches(set).sort()).toEqual([
    [1, 1, 50],
    [1, 40, 40],
    [1, 60, 1],
  ]);
  expect(
    largestBatches(
      setOf([
        [
          [3, 4],
          [5, 2],
        ],
      ]),
    ),
  ).toEqual([[2, 5, 4]]);
});

test("largestBatches() goes by the largest piece of batches that are cut", () => {
  const sentences = (count: number, width: number) =>
    Array.from({ length: count }, () => [width, width] as const);
  const set = setOf([sentences(6, 10), sentences(5, 9)]);
  expect(largestBatches(set)).toEqual([[6, 10, 10]]);
  expect(largestBatches(set, ([count]) => (count > 5 ? 2 : 1))).toEqual([[5, 9, 9]]);
});

test("announceMemory() plans every candidate and tells of the one that needs most", () => {
  const lines: string[] = [];
  const byTarget = trainer(undefined, ([sentences, , target]) => sentences * target * 2 ** 20);
  const training: BatchShape[] = [
    [1, 40, 40],
    [1, 1, 50],
  ];
  announceMemory(byTarget, training, [[1, 9, 9]], (line) => lines.push(line));
  expect(lines).toEqual([
    "memory: 8 MiB of parameters and state, 50 MiB for the largest batches " +
      "(training: 1 sentences of 1 and 50 tokens), limit not known",
  ]);
});

test("announceMemory() says in how many pieces the largest batch is computed", () => {
  const lines: string[] = [];
  announceMemory(
    trainer(2 ** 30, () => 2 ** 20),
    [[4, 8, 8]],
    [],
    (line) => lines.push(line),
  );
  expect(lines).toEqual([
    "memory: 8 MiB of parameters and state, 1 MiB for the largest batches " +
      "(training: 4 sentences of 8 and 8 tokens, in 2 pieces), limit 1024 MiB",
  ]);
});

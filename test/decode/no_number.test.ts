// Damaged weights compute NaN. What they would say must not pass for a translation.
import { expect, test } from "bun:test";
import { ensemble } from "../../src/decode/ensemble.ts";
import { seededDraw } from "../../src/decode/search/draw.ts";
import { sampling } from "../../src/decode/search/sampling.ts";
import { SequenceGenerator } from "../../src/decode/sequence_generator.ts";
import { SequenceScorer } from "../../src/decode/sequence_scorer.ts";
import type { StepDecoder } from "../../src/decode/step_decoder.ts";
import { batchOf } from "./pure_case.ts";
import { type Table, tableDecoder } from "./table_decoder.ts";

const V = 9;
const SENTENCES = 3;

/** All tokens are equally likely, but one log-probability of the second sentence is NaN at a step. */
function damagedAt(step: number): Table {
  const data = new Float32Array(SENTENCES * 4 * V * V).fill(-Math.log(V));
  const from = (1 * 4 + step) * V * V;
  for (let last = 0; last < V; last++) data[from + last * V + 5] = Number.NaN;
  return { shape: [SENTENCES, 4, V, V], data };
}

const batch = batchOf([
  [4, 2],
  [5, 2],
  [6, 2],
]);
const ids = Int32Array.of(30, 10, 20);
const draws = sampling({ draw: seededDraw(1) });
const problem = "model.pt: computes no numbers (NaN) for sentence 10;\n  its weights are damaged";

for (const [what, options, decoder] of [
  ["from whole rows", {}, (table) => tableDecoder(table)],
  ["from candidates", {}, (table) => tableDecoder(table, { offersCandidates: true })],
  ["by sampling", { strategy: draws }, (table) => tableDecoder(table)],
  ["of an ensemble", {}, (table) => ensemble([tableDecoder(damagedAt(3)), tableDecoder(table)])],
] as [string, object, (table: Table) => StepDecoder][]) {
  test(`SequenceGenerator names the sentences whose scores are NaN, ${what}`, async () => {
    for (const step of [0, 2]) {
      const settings = { beam: 2, maxLenB: 3, minLen: 3, ...options };
      const generator = new SequenceGenerator(decoder(damagedAt(step)), settings, {}, "model.pt");
      await expect(generator.generate(batch, { ids })).rejects.toThrow(problem);
    }
  });
}

test("SequenceGenerator sees a NaN that a rule forbids", async () => {
  const decoder = tableDecoder(damagedAt(0), { offersCandidates: true });
  const generator = new SequenceGenerator(decoder, { suppress: [5] }, {}, "model.pt");
  const prefix = { tokens: Int32Array.of(6, 6, 6), width: 1 };
  await expect(generator.generate(batch, { ids })).rejects.toThrow(problem);
  await expect(generator.generate(batch, { ids, prefix })).rejects.toThrow(problem);
});

test("SequenceScorer names the sentences whose scores are NaN", async () => {
  const score = async () => ({ logProbs: Float32Array.of(-1, -1, -1, Number.NaN, -1, Number.NaN) });
  const scorer = new SequenceScorer([{ score }], {}, "model.pt");
  const target = Int32Array.of(4, 2, 4, 2, 2, 1); // what stands at padding does not matter
  const scored = scorer.score({ source: batch, target, targetWidth: 2, ids });
  await expect(scored).rejects.toThrow(problem);
});

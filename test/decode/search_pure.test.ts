// Searches over tables instead of models, against fairseq's own.

import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { UserError } from "../../src/config/user_error.ts";
import type { Hypothesis } from "../../src/decode/hypothesis.ts";
import { goldenPath, goldenTest, hasFullGoldens } from "../support/golden.ts";
import {
  expectHypotheses,
  expectHypothesis,
  type PureCase,
  readCase,
  runCase,
} from "./pure_case.ts";

/** Files of the folder that are not searches. */
const others = ["constraint_states", "ngram_block", "sampling_filters"];

const names = hasFullGoldens
  ? readdirSync(goldenPath("decode/pure"))
      .filter((file) => file.endsWith(".json"))
      .map((file) => file.slice(0, -".json".length))
      .filter((name) => !others.includes(name))
  : ["beam3"];

const plain = names.filter((name) => !/^(constraints|ties)_/.test(name));

for (const name of plain) {
  goldenTest(
    `SequenceGenerator finds fairseq's hypotheses: ${name}`,
    `decode/pure/${name}.json`,
    async () => {
      const golden = readCase(name);
      if (golden.error) {
        await expect(runCase(golden)).rejects.toThrow(UserError);
        return;
      }
      const { hypotheses } = await runCase(golden);
      expectHypotheses(hypotheses, golden.hypos);
      expect(hypotheses.flat().every((hypothesis) => hypothesis.complete)).toBe(true);
    },
  );
}

for (const name of plain) {
  const title = `SequenceGenerator finds the same among a decoder's candidates: ${name}`;
  goldenTest(title, `decode/pure/${name}.json`, async () => {
    const golden = readCase(name);
    if (golden.error) return;
    const fromRows = await runCase(golden);
    const fromCandidates = await runCase(golden, { offersCandidates: true });
    expect(fromCandidates.hypotheses).toEqual(fromRows.hypotheses);
  });
}

// Where scores are equal fairseq takes whichever PyTorch hands it; weft takes the lowest token. What
// either says afterwards depends on that, so only the first step can be compared.
for (const name of names.filter((name) => name.startsWith("ties_"))) {
  goldenTest(
    `SequenceGenerator settles ties for the lower token: ${name}`,
    `decode/pure/${name}.json`,
    async () => {
      const golden = readCase(name);
      const { hypotheses } = await runCase(golden);
      expect(hypotheses.map((list) => list.length)).toEqual(
        golden.hypos.map((list) => list.length),
      );
      const first = golden.steps?.[0].cand_scores ?? [];
      for (const [i, list] of hypotheses.entries()) {
        const starts = list.map((hypothesis) => hypothesis.positionalScores[0]);
        for (const start of starts)
          expect(first[i].some((s) => Math.abs(s - start) < 1e-6)).toBe(true);
      }
      const again = await runCase(golden, { offersCandidates: true });
      expect(again.hypotheses).toEqual(hypotheses);
    },
  );
}

/** Whether a hypothesis holds each constraint, one behind the other if `ordered`. */
function meets(hypothesis: Hypothesis, constraints: number[][], ordered: boolean): boolean {
  const text = ` ${hypothesis.tokens.join(" ")} `;
  let from = 0;
  for (const constraint of constraints) {
    const at = text.indexOf(` ${constraint.join(" ")} `, from);
    if (at < 0) return false;
    if (ordered) from = at + constraint.join(" ").length + 1;
  }
  return true;
}

/** At the length limit fairseq lets impossible candidates push out hypotheses that may end; weft keeps those. */
function expectAtLeast(ours: Hypothesis[], theirs: PureCase["hypos"][number], limit: number): void {
  const wanted = new Map(theirs.map((hypothesis) => [hypothesis.tokens.join(" "), hypothesis]));
  for (const hypothesis of ours) {
    const golden = wanted.get(hypothesis.tokens.join(" "));
    if (golden) expectHypothesis(hypothesis, golden);
    else expect(hypothesis.tokens.length).toBe(limit + 1);
    wanted.delete(hypothesis.tokens.join(" "));
  }
  expect([...wanted.keys()]).toEqual([]);
}

for (const name of names.filter((name) => name.startsWith("constraints_"))) {
  goldenTest(
    `lexicallyConstrainedSearch() finds fairseq's hypotheses: ${name}`,
    `decode/pure/${name}.json`,
    async () => {
      const golden = readCase(name);
      const { hypotheses } = await runCase(golden);
      const ordered = golden.search_args?.representation === "ordered";
      const limit = Number(golden.generator.max_len_b);
      for (const [i, list] of hypotheses.entries()) {
        expect(list.length).toBeGreaterThan(0);
        for (const hypothesis of list) {
          const met = meets(hypothesis, golden.constraints?.[i] ?? [], ordered);
          expect(met).toBe(hypothesis.complete);
        }
        // fairseq fails where a sentence has no hypothesis that ends at the limit.
        if (!golden.error) expectAtLeast(list, golden.hypos[i], limit);
      }
    },
  );
}

goldenTest(
  "SequenceGenerator.beam is V - 1 where a wider one is asked for",
  "decode/pure/beam50_clamped_to_vocab_minus_1.json",
  async () => {
    const { generator } = await runCase(readCase("beam50_clamped_to_vocab_minus_1"));
    expect(generator.beam).toBe(5);
  },
);

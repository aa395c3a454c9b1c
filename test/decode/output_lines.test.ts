// The texts that fairseq-generate and fairseq-interactive printed, from the hypotheses they recorded.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Dictionary } from "../../src/data/dictionary.ts";
import { type AlignedPair, hardAlignment } from "../../src/decode/alignment.ts";
import {
  constraintLine,
  hypothesisLines,
  scoreLine,
  secondsLine,
  sourceLine,
  totalsLine,
} from "../../src/decode/output_lines.ts";
import { createScorer } from "../../src/score/scorers.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

interface GoldenOutput {
  bleu_line: string;
  data: string;
  flags: string[];
  batches: {
    ids: number[];
    src_tokens: number[][];
    hypos: {
      tokens: number[];
      score: number | string;
      positional_scores: (number | string)[];
      alignment?: AlignedPair[] | string[][];
      attention?: number[][];
    }[][];
  }[];
}

const names = [
  ...["beam1", "beam5", "beam5_nbest2_remove_bpe_sacrebleu", "beam5_remove_bpe", "prefix_size2"],
  ...[
    "print_alignment_hard",
    "print_alignment_soft",
    "score_reference",
    "score_reference_alignment",
  ],
  "unkpen-4",
].map((name) => `transformer_a/${name}`);
for (const model of [
  "fconv",
  "lightconv_dynamic",
  "lightconv_light",
  "lstm",
  "transformer_align",
]) {
  names.push(`${model}/beam5`, `${model}/print_alignment_hard`);
}
names.push(
  "transformer_align_full/print_alignment_hard",
  "transformer_b/beam5",
  "lstm_plain/beam5",
);
names.push(
  "transformer_prenorm_shared/beam5",
  "transformer_r2l/beam5",
  "lm_fusion/transformer_lm_w0.3",
);

function dictionary(data: string, language: string): Dictionary {
  const path = goldenPath(`checkpoints/${data}/dict.${language}.txt`);
  return Dictionary.parse(readFileSync(path, "utf8"), path);
}

const flag = (flags: string[], name: string): string | undefined =>
  flags.includes(name) ? flags[flags.indexOf(name) + 1] : undefined;

for (const name of names) {
  goldenTest(
    `hypothesisLines() prints what fairseq-generate printed: ${name}`,
    `decode/${name}`,
    () => {
      const golden = readGolden<GoldenOutput>(`decode/${name}.json`);
      const printed = readFileSync(goldenPath(`decode/${name}.txt`), "utf8")
        .trimEnd()
        .split("\n");
      const lines = printed.filter((line) => /^[SHDPA]-/.test(line)).sort(byId);
      const source = dictionary(golden.data, "en");
      const target = dictionary(golden.data, "de");
      const postProcess = golden.flags.includes("--remove-bpe") ? "@@ " : undefined;
      const nbest = Number(flag(golden.flags, "--nbest") ?? 1);
      const kind = flag(golden.flags, "--print-alignment");
      const ours: string[] = [];
      for (const { ids, src_tokens, hypos } of golden.batches) {
        for (const [i, id] of ids.entries()) {
          const words = src_tokens[i].filter((token) => token !== source.padIndex);
          ours.push(sourceLine(id, source.string(words, { postProcess })));
          for (const hypothesis of hypos[i].slice(0, nbest)) {
            // JSON holds the shortest decimals that round to the float32.
            const positionalScores = Float32Array.from(hypothesis.positional_scores, Number);
            const text = target.string(hypothesis.tokens, { postProcess });
            const scores = { score: Math.fround(Number(hypothesis.score)), positionalScores };
            ours.push(
              ...hypothesisLines(id, scores, {
                text,
                detokenized: text,
                alignment: alignment(kind, hypothesis),
              }),
            );
          }
        }
      }
      expect(ours.sort(byId)).toEqual(lines);
    },
  );
}

/** Each sentence's reference, or its best hypothesis: the first printed. */
function textsOf(lines: string[], kind: "T" | "D"): Map<number, string> {
  const texts = new Map<number, string>();
  for (const line of lines) {
    const fields = line.split("\t");
    const id = Number(fields[0].slice(2));
    if (line.startsWith(`${kind}-`) && !texts.has(id)) texts.set(id, fields[fields.length - 1]);
  }
  return texts;
}

for (const name of names) {
  goldenTest(
    `createScorer() closes with fairseq-generate's score: ${name}`,
    `decode/${name}`,
    () => {
      const { bleu_line, flags } = readGolden<GoldenOutput>(`decode/${name}.json`);
      const lines = readFileSync(goldenPath(`decode/${name}.txt`), "utf8")
        .trimEnd()
        .split("\n");
      const scorer = createScorer(flags.includes("sacrebleu") ? "sacrebleu" : "bleu");
      const found = textsOf(lines, "D");
      for (const [id, text] of textsOf(lines, "T"))
        scorer.add({ text }, { text: found.get(id) ?? "" });
      const beam = Number(flag(flags, "--beam") ?? 5);
      expect(scoreLine("test", beam, scorer.result())).toBe(bleu_line);
    },
  );
}

/** Sentences in order of their number; a stable sort keeps each one's lines together. */
function byId(a: string, b: string): number {
  const id = (line: string) => Number(/^.-(\d+)/.exec(line)?.[1]);
  return id(a) - id(b);
}

function alignment(kind: string | undefined, { alignment: golden }: { alignment?: unknown }) {
  if (kind === "hard") return { kind, pairs: golden as AlignedPair[] } as const;
  if (kind === "soft") return { kind, rows: golden as string[][] } as const;
  return undefined;
}

const attended = "transformer_a/print_alignment_hard";
goldenTest("hardAlignment() extracts fairseq's from its attention", `decode/${attended}`, () => {
  const { batches } = readGolden<GoldenOutput>(`decode/${attended}.json`);
  let seen = 0;
  for (const { src_tokens, hypos } of batches) {
    for (const [i, source] of src_tokens.entries()) {
      for (const { tokens, attention: columns, alignment: wanted } of hypos[i]) {
        if (columns === undefined) continue;
        // fairseq keeps (S, T), weft (T, S).
        const attention = Float32Array.from(tokens.flatMap((_, t) => columns.map((row) => row[t])));
        const pairs = hardAlignment({ source, target: tokens, attention }, { pad: 1, eos: 2 });
        expect(pairs).toEqual(wanted as AlignedPair[]);
        seen++;
      }
    }
  }
  expect(seen).toBeGreaterThan(0);
});

goldenTest("interactive's lines are fairseq's", "decode/interactive", () => {
  const { output } = readGolden<{ output: string[] }>(
    "decode/interactive/constraints_ordered_beam4.json",
  );
  expect(output).toContain(secondsLine(1, 0));
  expect(output).toContain(constraintLine(1, "n@@"));
});

test("totalsLine() and scoreLine() close a run as fairseq does", () => {
  const totals = { sentences: 1234, tokens: 23456, seconds: 12.34 };
  expect(totalsLine(totals)).toBe(
    "Translated 1,234 sentences (23,456 tokens) in 12.3s (100.00 sentences/s, 1900.81 tokens/s)",
  );
  expect(scoreLine("test", 5, "BLEU4 = 1.00")).toBe("Generate test with beam=5: BLEU4 = 1.00");
});

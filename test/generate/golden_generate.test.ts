// Every recorded run of fairseq-generate on a Transformer, through weft's own command: the same
// hypotheses with the same scores, the same lines, the same BLEU.
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { generate } from "../../src/cli/generate.ts";
import { runProgram } from "../../src/cli/program.ts";
import { readTextLines } from "../../src/data/text_lines.ts";
import { recordingTerminal } from "../cli/recording_terminal.ts";
import { goldenPath, goldenTest, hasFullGoldens } from "../support/golden.ts";
import {
  argumentsOf,
  expectHypotheses,
  expectLines,
  expectNear,
  type GoldenCase,
  goldenCase,
  outputOf,
  sentencesOf,
} from "./golden_case.ts";

const MODELS = [
  ...["transformer_a", "transformer_b", "transformer_prenorm_shared", "transformer_r2l"],
  ...["transformer_align", "transformer_align_full", "ensemble"],
];

/** Cases whose result weft means otherwise; each has its own test below, or a reason here. */
const SPECIAL: Readonly<Record<string, string>> = {
  // fairseq's n-gram blocking looks at padding and blocks nothing; the _sliced cases show what is meant.
  "transformer_a/no_repeat_ngram2": "fairseq blocks nothing",
  "transformer_a/no_repeat_ngram3": "fairseq blocks nothing",
  "transformer_a/constraints_with_generate": "an error here too",
  "transformer_a/print_step": "fairseq fails",
  "transformer_a/replace_unk": "fairseq fails at the first unknown word",
  "transformer_a/replace_unk_no_dict": "fairseq looks for a file named @@",
  "transformer_a/replace_unk_print_alignment": "fairseq fails at the first unknown word",
};

/** Names of the recorded cases: all of the full set, or the one that travels with a clone. */
const names = hasFullGoldens
  ? MODELS.flatMap((model) =>
      readdirSync(goldenPath(`decode/${model}`))
        .filter((file) => file.endsWith(".json"))
        .map((file) => `${model}/${file.slice(0, -".json".length)}`),
    )
  : ["transformer_b/beam5"];

/** Ensembles with models of other families wait for those. */
const isTransformer = (name: string): boolean => !/fconv|lightconv|lstm/.test(name);

const mostHypotheses = ({ batches }: GoldenCase): number =>
  Math.max(...batches.flatMap(({ hypos }) => hypos.map((list) => list.length)));

for (const name of names.filter(isTransformer).filter((each) => !(each in SPECIAL))) {
  goldenTest(
    `generate has fairseq's hypotheses and scores: ${name}`,
    `decode/${name}`,
    async () => {
      const golden = goldenCase(name);
      // The record has all hypotheses; fairseq printed --nbest of them.
      const args = withoutNbest(golden);
      const lines = await outputOf(generate, [...args, "--nbest", `${mostHypotheses(golden)}`]);
      if (!golden.flags.includes("--remove-bpe")) expectHypotheses(lines, golden);
      expect(lines.at(-1)).toBe(golden.bleu_line as string);
    },
  );

  const text = `decode/${name}.txt`;
  if (!hasFullGoldens || !existsSync(goldenPath(`decode/${name}.json`).replace(/json$/, "txt"))) {
    continue;
  }
  goldenTest(`generate prints fairseq's lines: ${name}`, text, async () => {
    const lines = await outputOf(generate, argumentsOf(goldenCase(name)));
    expectLines(lines, readTextLines(goldenPath(text)));
  });
}

function withoutNbest(golden: GoldenCase): string[] {
  const args = argumentsOf(golden);
  const at = args.indexOf("--nbest");
  return at < 0 ? args : args.toSpliced(at, 2);
}

goldenTest("the recorded cases are many", "decode/transformer_a", () => {
  expect(names.filter(isTransformer).length).toBeGreaterThan(75);
});

for (const name of [
  ...["transformer_a/beam5", "transformer_align/beam5", "ensemble/transformer_a+b_beam5"],
  ...["transformer_a/score_reference", "transformer_prenorm_shared/score_reference"],
  ...["transformer_align/score_reference", "transformer_align_full/score_reference"],
  "ensemble/score_reference_a+b",
]) {
  goldenTest(`attention is largest where fairseq's is: ${name}`, `decode/${name}`, async () => {
    const golden = goldenCase(name);
    const more = ["--print-alignment", "soft", "--nbest", `${mostHypotheses(golden)}`];
    const sentences = sentencesOf(await outputOf(generate, [...withoutNbest(golden), ...more]));
    for (const { ids, src_tokens, hypos } of golden.batches) {
      for (const [row, id] of ids.entries()) {
        const padding = src_tokens[row].filter((token) => token === 1).length;
        for (const [rank, { attention_argmax = [] }] of hypos[row].entries()) {
          // The record of a reference as long as its source is of the other axis.
          const isReference = name.includes("score_reference");
          if (isReference && attention_argmax.length === src_tokens[row].length) continue;
          const printed = sentences.get(id)?.[rank].alignment?.split(" ") ?? [];
          // Of references fairseq's has rows for padding too.
          expect(printed.length).toBe(hypos[row][rank].tokens.length);
          for (const [t, weights] of printed.entries()) {
            const numbers = weights.split(",").map(Number);
            const best = numbers[attention_argmax[t] - padding];
            expectNear(best, Math.max(...numbers), 2e-6);
          }
        }
      }
    }
  });
}

goldenTest("generate refuses --constraints", "decode/transformer_a", async () => {
  const { terminal, stderr } = recordingTerminal();
  const args = argumentsOf(goldenCase("transformer_a/constraints_with_generate"));
  expect(await runProgram(["generate", ...args], [generate], terminal)).toBe(2);
  expect(stderr.text).toContain("weft interactive --input FILE");
});

goldenTest("--print-step prints the steps of each hypothesis", "decode/transformer_a", async () => {
  const golden = goldenCase("transformer_a/print_step");
  const lines = await outputOf(generate, argumentsOf(golden));
  const printed = readTextLines(goldenPath("decode/transformer_a/print_step.txt"));
  expectLines(lines.slice(0, printed.length), printed);
  const scores = lines.flatMap((line) => /^P-\d+\t(.*)$/.exec(line)?.[1].split(" ").length ?? []);
  const steps = lines.flatMap((line) => /^I-\d+\t(\d+)$/.exec(line)?.slice(1).map(Number) ?? []);
  expect(steps.length).toBe(24);
  expect(steps).toEqual(scores);
});

goldenTest(
  "--replace-unk puts aligned words for unknown ones",
  "decode/transformer_a",
  async () => {
    const path = "transformer_a/replace_unk_print_alignment";
    const lines = await outputOf(generate, argumentsOf(goldenCase(path)));
    // Up to where fairseq failed, it printed the same.
    const printed = readTextLines(goldenPath(`decode/${path}.txt`));
    expectLines(lines.slice(0, printed.length), printed);

    // The run without replacing says <unk> where this one says another word.
    const plain = sentencesOf(
      await outputOf(generate, argumentsOf(goldenCase("transformer_a/unkpen-4"))),
    );
    const table = new Map(
      readTextLines(goldenPath("checkpoints/data-raw/alignment.en-de.txt")).map(
        (line) => line.split(" ") as [string, string],
      ),
    );
    const sources = new Map(
      lines.flatMap((line) => {
        const [, id, words] = /^S-(\d+)\t(.*)$/.exec(line) ?? [];
        return id === undefined ? [] : [[Number(id), words.split(" ")] as const];
      }),
    );
    let replaced = 0;
    for (const [id, [best]] of sentencesOf(lines)) {
      const before = plain.get(id)?.[0].text.split(" ") ?? [];
      const after = best.text.split(" ");
      const sourceOf = new Map(
        best.alignment
          ?.split(" ")
          .map((pair) => pair.split("-").map(Number).reverse() as [number, number]),
      );
      expect(after.length).toBe(before.length);
      for (const [i, word] of before.entries()) {
        if (word !== "<unk>") {
          expect(after[i]).toBe(word);
          continue;
        }
        const source = sources.get(id)?.[sourceOf.get(i) ?? -1] ?? "";
        expect(after[i]).toBe(table.get(source) ?? source);
        replaced++;
      }
    }
    expect(replaced).toBeGreaterThan(0);
  },
);

goldenTest("--replace-unk alone copies source words", "decode/transformer_a", async () => {
  const args = argumentsOf(goldenCase("transformer_a/replace_unk_no_dict"), "--unkpen", "-4");
  const lines = await outputOf(generate, args);
  const hypotheses = lines.filter((line) => line.startsWith("H-"));
  expect(hypotheses.length).toBe(24);
  expect(hypotheses.filter((line) => line.includes("<unk>"))).toEqual([]);
  expect(hypotheses.filter((line) => line.includes("☃")).length).toBeGreaterThan(0);
});

test("every special case is a recorded one", () => {
  if (hasFullGoldens)
    expect(Object.keys(SPECIAL).filter((name) => !names.includes(name))).toEqual([]);
});

import { expect, test } from "bun:test";
import { memorySource } from "../../../edge/export/bundle_files.ts";
import { compileKernels } from "../../../edge/platforms/file_kernels.ts";
import { openTranslator } from "../../../edge/runtime/open_translator.ts";
import { goldenTransformer } from "../../models/golden_transformer.ts";
import { cpu } from "../../support/devices.ts";
import { randomFiles } from "../onnx/random_bundle.ts";
import { goldenFiles } from "./golden_bundle.ts";

const golden = goldenTransformer("transformer_prenorm_shared", cpu);
const files = await goldenFiles(golden, "int8");
const translator = await openTranslator(memorySource(files, "b"), await compileKernels());

const TEXT = "w5 w6 w7.  W8 w9!\n\n  w10 w11 w12 ";

test("translate() gives what its sentences give alone, in their white space", async () => {
  const options = { beam: 3, max_len: 8 };
  const { text, sentences } = await translator.translate(TEXT, options);
  expect(sentences.map(({ source }) => source)).toEqual(["w5 w6 w7.", "W8 w9!", "w10 w11 w12"]);
  const alone = [];
  for (const { source } of sentences) alone.push(await translator.generate(source, options));
  expect(sentences).toEqual(alone);
  const [first, second, third] = alone.map(({ hypotheses }) => hypotheses[0].text);
  expect(text).toBe(`${first}  ${second}\n\n  ${third} `);
});

test("translate() of white space alone is that white space", async () => {
  expect(await translator.translate(" \n")).toEqual({ text: " \n", sentences: [] });
});

test("generate() returns nbest hypotheses, best first, with the scores of their tokens", async () => {
  const { hypotheses } = await translator.generate("w5 w6", { beam: 4, nbest: 3, max_len: 9 });
  expect(hypotheses.length).toBe(3);
  const scores = hypotheses.map(({ score }) => score);
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  for (const { score, tokens, text } of hypotheses) {
    const mean = tokens.reduce((sum, token) => sum + token.score, 0) / tokens.length;
    expect(score).toBeCloseTo(mean, 5);
    expect(tokens.at(-1)?.token).toBe("</s>");
    expect(
      tokens
        .slice(0, -1)
        .map(({ token }) => token)
        .join(" "),
    ).toBe(text);
  }
});

test("score() gives an output the scores that the search gave it", async () => {
  const { hypotheses } = await translator.generate("w5 w6", {
    beam: 4,
    max_len: 9,
    alignments: true,
  });
  const [best] = hypotheses;
  const scored = await translator.score("w5 w6", best.text, { alignments: true });
  expect(scored.tokens.map(({ token }) => token)).toEqual(best.tokens.map(({ token }) => token));
  for (const [i, { score }] of scored.tokens.entries()) {
    expect(score).toBeCloseTo(best.tokens[i].score, 5);
  }
  expect(scored.score).toBeCloseTo(best.score, 5);
  expect(scored.alignment?.source).toEqual(["w5", "w6", "</s>"]);
  expect(scored.alignment?.weights.length).toBe(best.tokens.length);
  for (const [t, row] of (scored.alignment?.weights ?? []).entries()) {
    expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
    for (const [s, weight] of row.entries()) {
      expect(weight).toBeCloseTo(best.alignment?.weights[t][s] ?? Number.NaN, 5);
    }
  }
});

test("outputs begin with the prefix, of the first sentence only", async () => {
  const { sentences } = await translator.translate("w5. W6", { prefix: "w20 w21", max_len: 6 });
  const [first, second] = sentences.map(({ hypotheses }) => hypotheses[0].text);
  expect(first).toStartWith("w20 w21");
  expect(second.startsWith("w20 w21")).toBe(false);
});

test("no_repeat_ngram_size holds", async () => {
  const options = { beam: 2, max_len: 30, min_len: 25, no_repeat_ngram_size: 2 };
  const { hypotheses } = await translator.generate("w5 w6 w7", options);
  const words = hypotheses[0].tokens.map(({ token }) => token);
  const pairs = words.slice(1).map((word, i) => `${words[i]} ${word}`);
  expect(new Set(pairs).size).toBe(pairs.length);
});

test("sampling draws the same with the same seed, and otherwise something else", async () => {
  const draw = async (seed: number) => {
    const sampling = { topk: 0, topp: 0.9, seed };
    const { hypotheses } = await translator.generate("w5 w6", { beam: 1, max_len: 20, sampling });
    return hypotheses[0].text;
  };
  expect(await draw(4)).toBe(await draw(4));
  expect(await draw(5)).not.toBe(await draw(4));
});

test("onPartial hears the text grow, and at last whole", async () => {
  const heard: string[] = [];
  const { text } = await translator.translate(TEXT, {
    max_len: 20,
    min_len: 20,
    onPartial: (partial) => heard.push(partial),
  });
  expect(heard.length).toBeGreaterThan(3);
  expect(heard.at(-1)).toBe(text);
});

test("a request ends before its next step when its signal is aborted", async () => {
  const controller = new AbortController();
  const before = translator.memory.used;
  let steps = 0;
  const running = translator.translate(TEXT, {
    signal: controller.signal,
    min_len: 100,
    onPartial: () => {
      if (++steps === 3) controller.abort(new Error("the client went away"));
    },
  });
  await expect(running).rejects.toThrow("the client went away");
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(translator.memory.used - before).toBeLessThan(2 ** 20);
});

test("a sentence that is too long is refused, and those beside it stop", async () => {
  const long = "w5 ".repeat(translator.maxSourceTokens);
  const used = translator.memory.used;
  const both = `w5 w6. W7 ${long}`;
  await expect(translator.translate(both, { min_len: 150 })).rejects.toThrow(/has \d+ tokens/);
  expect(translator.memory.used - used).toBeLessThan(2 ** 20);
  await expect(translator.score("w5", "w6 ".repeat(5000))).rejects.toThrow(/5001 tokens/);
  for (const [options, field] of [
    [{ beam: 2, nbest: 3 }, "nbest"],
    [{ beam: 10_000, nbest: 10_000 }, "beam"],
    [{ min_len: 9, max_len: 8 }, "min_len"],
    [{ prefix: "w5 w6 w7", max_len: 2 }, "prefix"],
  ] as const) {
    await expect(translator.generate("w5", options)).rejects.toThrow(`${field}: `);
  }
});

test("a prefix is refused that leaves the decoder no position for the end, not cut", async () => {
  const short = await randomFiles({ max_target_positions: 16 }, "int8");
  const small = await openTranslator(memorySource(short, "short"), await compileKernels());
  const prefix = (words: number) => Array.from({ length: words }, (_, i) => `w${i}`).join(" ");
  const { hypotheses } = await small.generate("w5", { prefix: prefix(15) });
  expect(hypotheses[0].text).toBe(prefix(15));
  await expect(small.generate("w5", { prefix: prefix(16) })).rejects.toThrow(
    "prefix: 16 tokens, more than the model's outputs may have: 15",
  );
  small.close();
});

test("words spelled like special symbols are unknown words, not what they are for", async () => {
  const options = { beam: 2, max_len: 5, alignments: true };
  const spelled = await translator.generate("w5 <pad> </s> <s> w6", options);
  const unknown = await translator.generate("w5 nope nope nope w6", options);
  expect(spelled.hypotheses).toEqual(unknown.hypotheses);
  const begun = await translator.generate("w5", { prefix: "w6 </s> w7", max_len: 8 });
  expect(begun.hypotheses[0].tokens.slice(0, 3).map(({ token }) => token)).toEqual([
    ...["w6", "<unk>", "w7"],
  ]);
});

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { UserError } from "../../src/config/user_error.ts";
import { learnBpe } from "../../src/data/bpe/learn_bpe.ts";
import { learnJointBpe } from "../../src/data/bpe/learn_joint_bpe.ts";
import { postProcess } from "../../src/data/bpe/post_process.ts";
import {
  frequentWords,
  SubwordNmt,
  type SubwordNmtOptions,
} from "../../src/data/bpe/subword_nmt.ts";
import {
  countTextWords,
  formatWordCounts,
  parseWordCounts,
} from "../../src/data/bpe/word_counts.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

const folder = "data/bpe/subword_nmt";
const text = (path: string): string => readFileSync(goldenPath(path), "utf8");
const codes = (name: string): string => text(`${folder}/${name}`);
const trainWords = (language: string) =>
  countTextWords(text(`data/text_slices/bpe.train.${language}`));

goldenTest("learnBpe() writes subword-nmt's codes byte for byte", folder, () => {
  const english = trainWords("en");
  expect(learnBpe(english, { symbols: 60 })).toBe(codes("codes.60"));
  expect(learnBpe(english, { symbols: 400 })).toBe(codes("codes.400"));
  expect(learnBpe(english, { symbols: 400, totalSymbols: true })).toBe(
    codes("codes.400.total_symbols"),
  );
  expect(learnBpe(trainWords("de"), { symbols: 400, minFrequency: 5 })).toBe(
    codes("codes.de.minfreq5"),
  );
  const joint = countTextWords(text("data/text_slices/bpe.train.de"), trainWords("en"));
  expect(learnBpe(joint, { symbols: 400 })).toBe(codes("joint.codes"));
});

goldenTest("learnBpe() learns the same from a list of words", folder, () => {
  expect(formatWordCounts(trainWords("en"))).toBe(codes("words.en.vocab"));
  const words = parseWordCounts(codes("words.en.vocab"), "words.en.vocab");
  expect(learnBpe(words, { symbols: 60 })).toBe(codes("codes.60"));
});

/** apply-bpe on a test text. */
function apply(codesName: string, language: string, options: SubwordNmtOptions = {}): string {
  const bpe = new SubwordNmt(codes(codesName), codesName, options);
  return bpe.processText(text(`data/text_slices/bpe.test.${language}`));
}

const vocabulary = (name: string) => frequentWords(parseWordCounts(codes(name), name), 8);

goldenTest("SubwordNmt cuts words as subword-nmt does", folder, () => {
  expect(apply("codes.60", "en")).toBe(codes("test.60.en"));
  expect(apply("codes.400", "en")).toBe(codes("test.400.en"));
  expect(apply("codes.v0.1", "en")).toBe(codes("test.v0.1.en"));
  expect(apply("codes.400", "en", { merges: 60 })).toBe(codes("test.60.en"));
  expect(apply("codes.400", "en", { separator: "~~" })).toBe(codes("test.400.sep.en"));
  const thr = { vocabulary: vocabulary("vocab.400.en") };
  expect(apply("codes.400", "en", thr)).toBe(codes("test.400.thr.en"));
  const glossaries = ["LibreOffice", "the", "[0-9]+", "U.S."];
  expect(apply("codes.400", "en", { glossaries })).toBe(codes("test.400.gloss.en"));
  for (const language of ["en", "de"]) {
    const joint = { vocabulary: vocabulary(`joint.vocab.${language}`) };
    expect(apply("joint.codes", language, joint)).toBe(codes(`test.joint.${language}`));
  }
});

goldenTest("SubwordNmt encodes and decodes as fairseq's --bpe subword_nmt", folder, () => {
  type Golden = {
    rows: { text: string; encoded: string; decoded: string }[];
    decode_only: ({ text: string; decoded: string } | [string, string])[];
  };
  const { rows, decode_only } = readGolden<Golden>(`${folder}/fairseq_subword_nmt.json`);
  const bpe = new SubwordNmt(codes("codes.400"), "codes.400");
  for (const { text, encoded, decoded } of rows) {
    expect(bpe.processLine(text)).toBe(encoded);
    expect(bpe.decode(encoded)).toBe(decoded);
  }
  for (const row of decode_only) {
    const [pieces, words] = Array.isArray(row) ? row : [row.text, row.decoded];
    expect(bpe.decode(pieces)).toBe(words);
  }
});

goldenTest("postProcess() joins pieces as fairseq does", "data/bpe/post_process.json", () => {
  type Row = { symbol: string | null; text: string; result: string | { error: string } };
  const { rows } = readGolden<{ rows: Row[] }>("data/bpe/post_process.json");
  for (const { symbol, text, result } of rows) {
    const join = () => postProcess(text, symbol ?? undefined);
    if (typeof result !== "string") expect(join).toThrow(UserError);
    else expect({ symbol, text, result: join() }).toEqual({ symbol, text, result });
  }
});

test("SubwordNmt names the line of a codes file that is not a pair", () => {
  expect(() => new SubwordNmt("#version: 0.2\na b\na b c\n", "codes.txt")).toThrow("codes.txt:3");
  expect(() => new SubwordNmt("#version: 1.0\na b\n", "codes.txt")).toThrow("version 1 is neither");
  expect(() => learnBpe(new Map([["a", 3]]), { symbols: 5 })).toThrow(UserError);
});

test("learnBpe() counts overlapping pairs as subword-nmt: aaaa becomes aa aa", () => {
  expect(learnBpe(new Map([["aaaab", 10]]), { symbols: 1 })).toBe("#version: 0.2\na a\n");
  expect(learnBpe(new Map([["aaaaab", 10]]), { symbols: 2 }).split("\n")[2]).toBe("aa aa");
});

test("SubwordNmt.processText() ends lines where Python's codecs do and keeps the ends", () => {
  const bpe = new SubwordNmt("#version: 0.2\na b\nb \u2028</w>\n", "codes");
  expect(bpe.processText("abb\u2028ab  c\r\n\n ab")).toBe("ab@@ b\u2028a@@ b c\r\n\n a@@ b");
});

goldenTest(
  "learnJointBpe() writes codes and vocabularies of learn-joint-bpe-and-vocab",
  folder,
  () => {
    const texts = ["en", "de"].map((language) => text(`data/text_slices/bpe.train.${language}`));
    const { codes: joint, vocabularies } = learnJointBpe(texts, { symbols: 400 });
    expect(joint).toBe(codes("joint.codes"));
    expect(vocabularies).toEqual([codes("joint.vocab.en"), codes("joint.vocab.de")]);
  },
);

import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadLanguagePairs, openLanguagePairFolder } from "../../src/data/load_language_pairs.ts";
import { prepareRawText, type RawTextOptions } from "../../src/data/raw_text_cache.ts";
import { findRawText } from "../../src/data/raw_text_folder.ts";
import { spaceTokenizer } from "../../src/data/tokenizer/space_tokenizer.ts";
import { goldenTest, readGolden } from "../support/golden.ts";

const english = ["a house", "a red house", "the house is red"];
const german = ["ein Haus", "ein rotes Haus", "das Haus ist rot"];

function corpus(): RawTextOptions {
  const root = mkdtempSync(join(tmpdir(), "weft-"));
  for (const split of ["train", "valid"]) {
    writeFileSync(join(root, `${split}.en`), `${english.join("\n")}\n`);
    writeFileSync(join(root, `${split}.de`), `${german.join("\n")}\n`);
  }
  return {
    sourceLang: "en",
    targetLang: "de",
    trainpref: join(root, "train"),
    validpref: join(root, "valid"),
    cache: join(root, "cache"),
  };
}

test("prepareRawText() binarises once and finds the data again", async () => {
  const options = corpus();
  const first = await prepareRawText(options);
  expect(first.reused).toBe(false);
  const folder = openLanguagePairFolder(first.folder);
  const train = loadLanguagePairs(folder, { split: "train" });
  expect(folder.targetDictionary.string(train.get(1).target ?? [])).toBe("ein rotes Haus");
  expect(await prepareRawText({ ...options, workers: 2 })).toEqual({ ...first, reused: true });
  expect(readdirSync(options.cache ?? "")).toHaveLength(1);
});

test("prepareRawText() makes other data for other content or options", async () => {
  const options = corpus();
  const folders = new Set([(await prepareRawText(options)).folder]);
  folders.add((await prepareRawText({ ...options, joinedDictionary: true })).folder);
  folders.add((await prepareRawText({ ...options, nwordssrc: 6 })).folder);
  writeFileSync(`${options.trainpref}.en`, "a house\na blue house\nthe house is red\n");
  folders.add((await prepareRawText(options)).folder);
  expect(folders.size).toBe(4);
});

test("prepareRawText() learns byte-pair encoding and keeps the codes beside the data", async () => {
  const options = { ...corpus(), bpeSymbols: 12, joinedDictionary: true };
  const { folder, codes } = await prepareRawText(options);
  const data = openLanguagePairFolder(folder);
  const valid = loadLanguagePairs(data, { split: "valid" });
  const text = data.sourceDictionary.string(valid.get(2).source, { postProcess: "@@ " });
  expect(text).toBe("the house is red");
  expect(readFileSync(codes ?? "", "utf8").startsWith("#version: 0.2\n")).toBe(true);
  const given = await prepareRawText({ ...options, bpeSymbols: undefined, bpeCodes: codes });
  expect(given.reused).toBe(false);
});

test("prepareRawText() leaves nothing behind when the text is refused", async () => {
  const options = corpus();
  writeFileSync(`${options.trainpref}.en`, "only one line\n");
  const refusal = `${options.trainpref}.de:2: the line has no partner`;
  await expect(prepareRawText(options)).rejects.toThrow(refusal);
  await expect(prepareRawText({ ...options, bpeSymbols: 10 })).rejects.toThrow(refusal);
  expect(existsSync(options.cache ?? "")).toBe(false);

  const broken = corpus();
  const bytes = readFileSync(`${broken.trainpref}.en`);
  bytes[bytes.length - 2] = 0xff;
  writeFileSync(`${broken.trainpref}.en`, bytes);
  await expect(prepareRawText(broken)).rejects.toThrow("UTF-8");
  expect(readdirSync(broken.cache ?? "")).toEqual([]);
});

test("findRawText() finds the splits of a folder of text", async () => {
  const { trainpref } = corpus();
  const folder = dirname(trainpref);
  writeFileSync(join(folder, "valid1.en"), "x\n");
  expect(() => findRawText(folder, "en")).toThrow(`${join(folder, "valid1.de")}: there is no such`);
  writeFileSync(join(folder, "valid1.de"), "x\n");
  const found = findRawText(folder, "en");
  expect(found).toEqual({
    sourceLang: "en",
    targetLang: "de",
    trainpref,
    validpref: `${join(folder, "valid")},${join(folder, "valid1")}`,
    testpref: undefined,
  });
  expect(() => findRawText(folder)).toThrow("which of de, en is translated into which");
  expect(findRawText(join(folder, "nothing"))).toBeUndefined();
  const { folder: binarised } = await prepareRawText(corpus());
  expect(findRawText(binarised, "en", "de")).toBeUndefined();
});

goldenTest(
  "spaceTokenizer collapses white space as fairseq's",
  "data/bpe/space_tokenizer.json",
  () => {
    const { rows } = readGolden<{ rows: [string, string, string][] }>(
      "data/bpe/space_tokenizer.json",
    );
    for (const [text, encoded, decoded] of rows) {
      expect(spaceTokenizer.encode(text)).toBe(encoded);
      expect(spaceTokenizer.decode(text)).toBe(decoded);
    }
  },
);

import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { loadDictionary } from "../../src/data/dictionary_file.ts";
import { elementTypeFor } from "../../src/data/element_type.ts";
import { createDataset, inferImpl, openDataset } from "../../src/data/indexed_dataset.ts";
import { loadLanguagePairs, openLanguagePairFolder } from "../../src/data/load_language_pairs.ts";
import type { TokenDataset } from "../../src/data/token_dataset.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

const scratch = (): string => mkdtempSync(join(tmpdir(), "weft-"));

function open(prefix: string): TokenDataset {
  const dataset = openDataset(prefix);
  if (!dataset) throw new Error(`nothing at ${prefix}`);
  return dataset;
}

interface ReadBack {
  impl: string;
  len: number;
  sizes_first: number[];
  items_first: number[][];
}
interface PreprocessCase {
  files: Record<string, { not_kept?: boolean }>;
  read_back: Record<string, ReadBack>;
}

goldenTest("openDataset() reads every format fairseq wrote", "data/preprocess", () => {
  for (const name of ["separate", "align", "impl_cached", "impl_lazy", "impl_raw", "odd_lines"]) {
    const { files, read_back } = readGolden<PreprocessCase>(`data/preprocess/${name}/case.json`);
    const folder = goldenPath(`data/preprocess/${name}`);
    for (const [prefix, expected] of Object.entries(read_back)) {
      if (files[`${prefix}.bin`]?.not_kept || files[prefix]?.not_kept) continue;
      const language = prefix.split(".").at(-1);
      const dictionary =
        expected.impl === "raw" ? loadDictionary(join(folder, `dict.${language}.txt`)) : undefined;
      expect(inferImpl(join(folder, prefix))).toBe(expected.impl as "mmap");
      const dataset = openDataset(join(folder, prefix), dictionary);
      expect(dataset?.length).toBe(expected.len);
      expect([...(dataset?.sizes.subarray(0, 12) ?? [])]).toEqual(expected.sizes_first);
      for (const [i, item] of expected.items_first.entries()) {
        expect([...(dataset?.get(i) ?? [])]).toEqual(item);
      }
    }
  }
});

goldenTest(
  "createDataset() writes fairseq's bytes from fairseq's sentences",
  "data/preprocess",
  () => {
    const cases = [
      ["separate/train.en-de.en", "mmap", 1528],
      ["align/train.align.en-de", "mmap", undefined],
      ["impl_cached/train.en-de.de", "cached", 384],
      ["impl_cached/train.align.en-de", "cached", undefined],
    ] as const;
    for (const [name, impl, vocabulary] of cases) {
      const original = goldenPath(`data/preprocess/${name}.idx`).slice(0, -4);
      const dataset = open(original);
      const prefix = join(scratch(), "copy");
      const writer = createDataset(prefix, impl, vocabulary);
      for (let i = 0; i < dataset.length; i++) writer.add(dataset.get(i));
      writer.finish();
      for (const part of ["bin", "idx"]) {
        expect(readFileSync(`${prefix}.${part}`).equals(readFileSync(`${original}.${part}`))).toBe(
          true,
        );
      }
    }
  },
);

test("datasets give back what was written, in every format and element type", () => {
  const sequences = fc.array(fc.array(fc.integer({ min: 0, max: 60000 })), { minLength: 1 });
  fc.assert(
    fc.property(sequences, fc.constantFrom(undefined, 100, 65500), (items, vocabulary) => {
      for (const impl of ["mmap", "cached"] as const) {
        const prefix = join(scratch(), "set");
        const writer = createDataset(prefix, impl, vocabulary);
        for (const item of items) writer.add(item);
        writer.finish();
        const dataset = open(prefix);
        expect([...dataset.sizes]).toEqual(items.map((item) => item.length));
        expect(items.map((_, i) => [...dataset.get(i)])).toEqual(items);
      }
    }),
    { numRuns: 20 },
  );
});

goldenTest("elementTypeFor() chooses fairseq's element type", "data/preprocess/vocab_dtype", () => {
  expect(
    [elementTypeFor(65499), elementTypeFor(65500), elementTypeFor()].map((t) => t.code),
  ).toEqual([8, 9, 9]);
});

test("openDataset() names the damaged file", () => {
  const folder = scratch();
  const prefix = join(folder, "set");
  const writer = createDataset(prefix, "mmap", 100);
  for (let i = 0; i < 10; i++) writer.add([4, 5, 6, 2]);
  writer.finish();

  cpSync(`${prefix}.idx`, `${prefix}.kept`);
  truncateSync(`${prefix}.idx`, 60);
  expect(() => open(prefix)).toThrow(`${prefix}.idx: the index ends at byte 60`);
  cpSync(`${prefix}.kept`, `${prefix}.idx`);
  truncateSync(`${prefix}.bin`, 70);
  expect(() => open(prefix)).toThrow(
    `${prefix}.bin: the file has 70 bytes, its index announces 80`,
  );
  writeFileSync(`${prefix}.idx`, "something else");
  expect(() => open(prefix)).toThrow(`${prefix}.idx: the file begins with "somethin"`);
  writeFileSync(`${prefix}.idx`, "MM");
  expect(() => open(prefix)).toThrow(`${prefix}.idx: the index ends at byte 2`);
  expect(openDataset(join(folder, "nothing"))).toBeUndefined();
});

goldenTest("loadLanguagePairs() loads a folder that fairseq binarised", "data/preprocess", () => {
  const folder = openLanguagePairFolder(goldenPath("data/preprocess/separate"));
  expect([folder.sourceLang, folder.targetLang]).toEqual(["en", "de"]);
  const train = loadLanguagePairs(folder, { split: "train", combine: true });
  const back = loadLanguagePairs(
    openLanguagePairFolder(goldenPath("data/preprocess/separate"), "de", "en"),
    { split: "train" },
  );
  expect(train.length).toBe(400);
  expect([...train.get(7).source]).toEqual([...(back.get(7).target ?? [])]);
  expect(() => loadLanguagePairs(folder, { split: "dev" })).toThrow("no set named dev");
});

goldenTest("loadLanguagePairs() joins, repeats and shards", "data/preprocess", () => {
  const lists = goldenPath("data/preprocess/valid_list");
  const folder = openLanguagePairFolder(lists);
  const joined = loadLanguagePairs(folder, { split: "valid", combine: true, upsamplePrimary: 2 });
  expect(joined.length).toBe(60 + 60 + 40);
  expect([...joined.get(60).source]).toEqual([...joined.get(0).source]);
  const alone = loadLanguagePairs(folder, { split: "valid1" });
  expect([...joined.get(121).source]).toEqual([...alone.get(1).source]);

  const separate = goldenPath("data/preprocess/separate");
  const shards = openLanguagePairFolder(`${separate}:${lists}`);
  expect(loadLanguagePairs(shards, { split: "train", epoch: 3 }).length).toBe(400);
  expect(() => loadLanguagePairs(shards, { split: "train", epoch: 2 })).toThrow(lists);
});

goldenTest("loadLanguagePairs() changes sources and targets as asked", "data/preprocess", () => {
  const folder = openLanguagePairFolder(goldenPath("data/preprocess/impl_cached"));
  const plain = loadLanguagePairs(folder, { split: "train", loadAlignments: true });
  expect(plain.batch([0, 1, 2])?.alignments?.pairs.length).toBeGreaterThan(0);
  const cut = loadLanguagePairs(folder, { split: "train", truncateSource: 6, prependBos: true });
  const { source, target } = cut.get(0);
  expect([...source]).toEqual([0, ...plain.get(0).source.subarray(0, 5), 2]);
  expect(target?.[0]).toBe(0);
  expect(cut.source.sizes[0]).toBe(7);
});

goldenTest("loadLanguagePairs() reports ids that the dictionary has not", "data/preprocess", () => {
  const folder = openLanguagePairFolder(goldenPath("data/preprocess/separate"));
  const sourceDictionary = loadDictionary(goldenPath("data/preprocess/nwords_pad8/dict.en.txt"));
  const dataset = loadLanguagePairs({ ...folder, sourceDictionary }, { split: "train" });
  expect(() => dataset.batch(Array(400).keys())).toThrow("is not in the dictionary of 208 symbols");
});

import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { UserError } from "../../src/config/user_error.ts";
import type { DatasetImpl } from "../../src/data/indexed_dataset.ts";
import { preprocess, summaryText } from "../../src/data/preprocess.ts";
import type { PreprocessOptions } from "../../src/data/preprocess_options.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

interface Case {
  note: string;
  argv: string[];
  log_lines: string[];
  error: { type: string } | null;
  files: Record<string, { bytes: number; sha256: string }>;
}

const scratch = (): string => mkdtempSync(join(tmpdir(), "weft-"));

/** fairseq-preprocess's command line as our options, with paths below `root`. */
function parse(argv: string[], root: string): PreprocessOptions {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: argv,
    options: {
      "source-lang": { ...text, short: "s" },
      "target-lang": { ...text, short: "t" },
      trainpref: text,
      validpref: text,
      testpref: text,
      "align-suffix": text,
      destdir: text,
      thresholdsrc: text,
      thresholdtgt: text,
      nwordssrc: text,
      nwordstgt: text,
      srcdict: text,
      tgtdict: text,
      alignfile: text,
      "dataset-impl": text,
      "padding-factor": text,
      workers: text,
      "joined-dictionary": { type: "boolean" },
      "only-source": { type: "boolean" },
      "dict-only": { type: "boolean" },
    },
  });
  const path = (value: string | undefined) =>
    value
      ?.split(",")
      .map((p) => join(root, p))
      .join(",");
  const number = (value: string | undefined) => (value === undefined ? undefined : Number(value));
  return {
    sourceLang: values["source-lang"],
    targetLang: values["target-lang"],
    trainpref: path(values.trainpref),
    validpref: path(values.validpref),
    testpref: path(values.testpref),
    alignSuffix: values["align-suffix"],
    destdir: join(root, values.destdir ?? ""),
    thresholdsrc: number(values.thresholdsrc),
    thresholdtgt: number(values.thresholdtgt),
    nwordssrc: number(values.nwordssrc),
    nwordstgt: number(values.nwordstgt),
    srcdict: path(values.srcdict),
    tgtdict: path(values.tgtdict),
    alignfile: path(values.alignfile),
    datasetImpl: values["dataset-impl"] as DatasetImpl | undefined,
    paddingFactor: number(values["padding-factor"]),
    workers: number(values.workers),
    joinedDictionary: values["joined-dictionary"],
    onlySource: values["only-source"],
    dictOnly: values["dict-only"],
  };
}

/** A folder with the texts, and the finished cases that others take their dictionaries from. */
function workplace(own: string): string {
  const root = scratch();
  symlinkSync(goldenPath("data/text_slices"), join(root, "text_slices"));
  for (const name of readdirSync(goldenPath("data/preprocess"))) {
    if (name === own || name.endsWith(".json")) continue;
    cpSync(goldenPath(`data/preprocess/${name}`), join(root, "preprocess", name), {
      recursive: true,
    });
  }
  return root;
}

goldenTest("preprocess() writes fairseq's files byte for byte", "data/preprocess", async () => {
  let checked = 0;
  for (const name of readdirSync(goldenPath("data/preprocess"))) {
    if (!existsSync(`${goldenPath("data/preprocess")}/${name}/case.json`)) continue;
    const { argv, files, error, log_lines } = readGolden<Case>(`data/preprocess/${name}/case.json`);
    if (!argv || error || name === "err_empty_file") continue;
    const root = workplace(name);
    const options = parse(argv, root);
    const log: string[] = [];
    await preprocess(options, (line) => log.push(line.replaceAll(`${root}/`, "")));
    expect({ name, log }).toEqual({ name, log: log_lines });
    for (const [file, { bytes, sha256 }] of Object.entries(files)) {
      // fairseq's table of alignments is not what it means to be; see the test below.
      if (file === "alignment.en-de.txt") continue;
      const written = readFileSync(join(options.destdir, file));
      const hash = createHash("sha256").update(written).digest("hex");
      expect({ name, file, bytes: written.length, hash }).toEqual({
        name,
        file,
        bytes,
        hash: sha256,
      });
      checked++;
    }
    const known = new Set([...Object.keys(files), "preprocess.log", "case.json"]);
    expect(readdirSync(options.destdir).filter((file) => !known.has(file))).toEqual([]);
  }
  expect(checked).toBeGreaterThan(100);
});

goldenTest(
  "preprocess() refuses what fairseq refuses, and an empty text",
  "data/preprocess",
  async () => {
    const places: Record<string, RegExp> = {
      err_badutf8: /badutf8\.en:\d+: the line is not valid UTF-8/,
      err_both_dicts_joined: /--joined-dictionary/,
      err_dict_exists: /dict\.en\.txt: the dictionary exists already/,
      err_empty_file: /zero\.en: the file is empty/,
      err_huffman: /--dataset-impl/,
      err_missing_file: /nothere\.en: there is no such file/,
      err_no_train: /--trainpref/,
    };
    for (const [name, place] of Object.entries(places)) {
      const { argv } = readGolden<Case>(`data/preprocess/${name}/case.json`);
      const root = workplace(name);
      const options = parse(argv, root);
      if (name === "err_dict_exists") {
        cpSync(goldenPath("data/preprocess/separate"), options.destdir, { recursive: true });
      }
      const before = existsSync(options.destdir);
      const failure = await preprocess(options).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(UserError);
      expect(String(failure)).toMatch(place);
      expect(existsSync(options.destdir)).toBe(before);
    }
  },
);

goldenTest(
  "preprocess() numbers elements by the vocabulary's size",
  "data/preprocess/vocab_dtype",
  async () => {
    type Row = {
      vocab_size: number;
      impl: DatasetImpl;
      files: string;
      lines: string[];
      log_lines: string | null;
    };
    const { rows } = readGolden<{ rows: Row[] }>("data/preprocess/vocab_dtype/case.json");
    for (const { vocab_size, impl, files, lines, log_lines } of rows) {
      const root = scratch();
      const n = vocab_size - 4;
      const dict = Array.from({ length: n }, (_, i) => `w${i} ${n - i}\n`).join("");
      writeFileSync(join(root, "dict.txt"), dict);
      writeFileSync(join(root, "text"), `${lines.join("\n")}\n`);
      const destdir = join(root, "out");
      const log: string[] = [];
      await preprocess(
        {
          onlySource: true,
          trainpref: join(root, "text"),
          srcdict: join(root, "dict.txt"),
          destdir,
          datasetImpl: impl,
        },
        (line) => log.push(line),
      );
      if (log_lines !== null) expect(log[1]).toContain(log_lines);
      for (const part of ["bin", "idx"]) {
        const expected = readFileSync(goldenPath(`data/preprocess/vocab_dtype/${files}.${part}`));
        expect(readFileSync(join(destdir, `train.${part}`)).equals(expected)).toBe(true);
      }
    }
  },
);

goldenTest(
  "preprocess() writes the most frequent target of each source word",
  "data/preprocess/alignfile",
  async () => {
    const root = workplace("alignfile");
    const options = parse(readGolden<Case>("data/preprocess/alignfile/case.json").argv, root);
    await preprocess(options);
    // fairseq writes each pair it met, in order: counting those gives what it meant to write.
    const met = readFileSync(goldenPath("data/preprocess/alignfile/alignment.en-de.txt"), "utf8");
    const counts = new Map<string, Map<string, number>>();
    for (const line of met.trimEnd().split("\n")) {
      const [source = "", target = ""] = line.split(" ");
      const row = counts.get(source) ?? new Map<string, number>();
      counts.set(source, row.set(target, (row.get(target) ?? 0) + 1));
    }
    const expected = [...counts].map(([source, row]) => {
      const most = Math.max(...row.values());
      return `${source} ${[...row].find(([, count]) => count === most)?.[0]}`;
    });
    const written = readFileSync(join(options.destdir, "alignment.en-de.txt"), "utf8");
    expect(written.trimEnd().split("\n")).toEqual(expected);
  },
);

goldenTest(
  "summaryText() rounds percentages as Python does",
  "data/preprocess/summary_format.json",
  () => {
    type Row = { num_tok: number; num_replaced: number | null; text: string };
    for (const row of readGolden<{ cases: Row[] }>("data/preprocess/summary_format.json").cases) {
      if (row.num_replaced === null) continue;
      const summary = { sentences: 2, tokens: row.num_tok, replaced: row.num_replaced };
      expect(summaryText(summary)).toBe(row.text);
    }
    expect(summaryText({ sentences: 2, tokens: 400, replaced: 49 })).toContain("12.2%");
    expect(summaryText({ sentences: 2, tokens: 400, replaced: 51 })).toContain("12.8%");
  },
);

test("preprocess() names the line that has no partner and writes nothing", async () => {
  const root = scratch();
  writeFileSync(join(root, "train.en"), "a\nb\nc\n");
  writeFileSync(join(root, "train.de"), "x\r\ny");
  const options = {
    sourceLang: "en",
    targetLang: "de",
    trainpref: join(root, "train"),
    destdir: join(root, "out"),
  };
  const failure = await preprocess(options).catch((error: unknown) => error);
  expect(String(failure)).toContain(`train.en:3: the line has no partner`);
  expect(existsSync(options.destdir)).toBe(false);
});

test("preprocess() leaves nothing behind where a later text is refused, and other files alone", async () => {
  const root = scratch();
  writeFileSync(join(root, "train"), "a b\n");
  writeFileSync(join(root, "valid"), Uint8Array.of(0x61, 0xff, 0x0a));
  const texts = { trainpref: join(root, "train"), validpref: join(root, "valid") };
  const options = { onlySource: true, ...texts, destdir: join(root, "out") };
  await expect(preprocess(options)).rejects.toThrow("valid:1");
  expect(existsSync(options.destdir)).toBe(false);
  mkdirSync(options.destdir);
  writeFileSync(join(options.destdir, "notes"), "mine");
  await expect(preprocess(options)).rejects.toThrow("valid:1");
  expect(readdirSync(options.destdir)).toEqual(["notes"]);
});

test("preprocess() names a folder that cannot be written", async () => {
  const root = scratch();
  writeFileSync(join(root, "train"), "a b\n");
  const destdir = join(root, "train", "out");
  const failure = await preprocess({
    onlySource: true,
    trainpref: join(root, "train"),
    destdir,
  }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UserError);
  expect(String(failure)).toContain(`${destdir}: it cannot be written`);
});

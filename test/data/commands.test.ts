import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bpeApply, bpeLearn } from "../../src/cli/bpe.ts";
import { preprocess } from "../../src/cli/preprocess.ts";
import { runProgram } from "../../src/cli/program.ts";
import { recordingTerminal } from "../cli/recording_terminal.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

const scratch = (): string => mkdtempSync(join(tmpdir(), "weft-"));

/** Runs `weft ...args` and returns its exit code and what it said. */
async function weft(...args: string[]): Promise<{ code: number; said: string }> {
  const { terminal, stderr } = recordingTerminal();
  const code = await runProgram(args, [preprocess, bpeLearn, bpeApply], terminal);
  return { code, said: stderr.text };
}

goldenTest(
  "weft preprocess takes fairseq's flags and prints its lines",
  "data/preprocess",
  async () => {
    const { argv, log_lines } = readGolden<{ argv: string[]; log_lines: string[] }>(
      "data/preprocess/joined_nwords/case.json",
    );
    const destdir = scratch();
    const root = goldenPath("data");
    const args = argv.map((arg) => (arg.startsWith("text_slices/") ? join(root, arg) : arg));
    args[args.indexOf("--destdir") + 1] = join(destdir, "out");
    const { code, said } = await weft("preprocess", ...args);
    expect({ code, said }).toEqual({
      code: 0,
      said: `${log_lines.join("\n").replaceAll("text_slices/", `${root}/text_slices/`).replace("preprocess/joined_nwords", join(destdir, "out"))}\n`,
    });
    const dictionary = readFileSync(join(destdir, "out/dict.de.txt"));
    expect(
      dictionary.equals(readFileSync(goldenPath("data/preprocess/joined_nwords/dict.de.txt"))),
    ).toBe(true);
  },
);

test("weft preprocess answers a missing file with one message and exit code 2", async () => {
  const { code, said } = await weft(
    "preprocess",
    "-s",
    "en",
    "-t",
    "de",
    "--trainpref",
    "/nowhere/train",
    "--destdir",
    "/nowhere/data",
  );
  expect(code).toBe(2);
  expect(said).toBe(
    "weft: /nowhere/train.en: there is no such file;\n" +
      "  check the path: text files are PREFIX.LANGUAGE, e.g. corpus/train.en\n",
  );
});

goldenTest(
  "weft bpe learn and apply write subword-nmt's files",
  "data/bpe/subword_nmt",
  async () => {
    const folder = scratch();
    const path = (name: string) => join(folder, name);
    const text = (name: string) => goldenPath(`data/text_slices/${name}`);
    const same = (name: string) =>
      expect(readFileSync(path(name), "utf8")).toBe(
        readFileSync(goldenPath(`data/bpe/subword_nmt/${name}`), "utf8"),
      );
    const run = async (...args: string[]) =>
      expect(await weft("bpe", ...args)).toEqual({ code: 0, said: "" });

    const both = [text("bpe.train.en"), text("bpe.train.de")];
    const vocabularies = [path("joint.vocab.en"), path("joint.vocab.de")];
    await run(
      "learn",
      "-i",
      ...both,
      "-s",
      "400",
      "-o",
      path("joint.codes"),
      "--write-vocabulary",
      ...vocabularies,
    );
    for (const name of ["joint.codes", "joint.vocab.en", "joint.vocab.de"]) same(name);
    const limits = ["--vocabulary", path("joint.vocab.de"), "--vocabulary-threshold", "8"];
    await run(
      "apply",
      "-c",
      path("joint.codes"),
      ...limits,
      "-i",
      text("bpe.test.de"),
      "-o",
      path("test.joint.de"),
    );
    same("test.joint.de");
    const words = goldenPath("data/bpe/subword_nmt/words.en.vocab");
    await run("learn", "-i", words, "--dict-input", "-s", "60", "-o", path("codes.60"));
    same("codes.60");
  },
);

test("weft bpe learn wants a vocabulary file for each input", async () => {
  const text = join(scratch(), "text");
  writeFileSync(text, "ab ab\n");
  const { code, said } = await weft(
    "bpe",
    "learn",
    "-i",
    text,
    "-o",
    `${text}.codes`,
    "--write-vocabulary",
    "a",
    "b",
  );
  expect(code).toBe(2);
  expect(said).toContain("--write-vocabulary: 2 files are named for 1 inputs");
});

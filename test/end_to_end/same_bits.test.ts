// The same command gives the same bits: again, on more threads, from text or from binarised data.
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenPath } from "../support/golden.ts";
import { loggedValues, recordOf, stateOf, tensorsOf } from "./run_folder.ts";
import { writeText } from "./shards.ts";
import { cpu, succeed, tinyModel, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-bits-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LONG = 60_000;
const LAST = "checkpoint_last.safetensors";
const env = { WEFT_CACHE: join(folder, "cache") };
const data = goldenPath("training/runs/data-bin");
const noisy = words("--dropout 0.2 --attention-dropout 0.1 --max-tokens 800 --max-update 12");

let numbered = 0;
function train(args: readonly string[]): { saveDir: string; stderr: string } {
  const saveDir = join(folder, `${numbered++}`);
  const { stderr } = succeed(
    ["train", ...args, ...tinyModel, "--log-format", "json", "--save-dir", saveDir],
    { env },
  );
  return { saveDir, stderr };
}

const logged = (stderr: string) => loggedValues(stderr.split("\n"));

test(
  "train gives the same bits twice, dropout included, and others for another seed",
  () => {
    const [one, two] = [0, 1].map(() => train([data, ...cpu, ...noisy]));
    expect(stateOf(two.saveDir)).toEqual(stateOf(one.saveDir));
    expect(logged(two.stderr)).toEqual(logged(one.stderr));
    const other = train([data, ...cpu, ...noisy, "--seed", "2"]);
    expect(tensorsOf(join(other.saveDir, LAST))).not.toEqual(tensorsOf(join(one.saveDir, LAST)));
  },
  LONG,
);

test(
  "train gives the same bits on one thread, two and three with the built-in products",
  () => {
    const [one, ...others] = ["1", "2", "3"].map((threads) =>
      train([data, ...words("--device cpu --blas none --threads"), threads, ...noisy]),
    );
    for (const other of others) {
      expect(tensorsOf(join(other.saveDir, LAST))).toEqual(tensorsOf(join(one.saveDir, LAST)));
      expect(logged(other.stderr)).toEqual(logged(one.stderr));
    }
  },
  LONG,
);

test(
  "train on raw text trains as on what preprocess makes of it, and binarises it once",
  () => {
    const [text, binarised] = [join(folder, "text"), join(folder, "binarised")];
    mkdirSync(text);
    for (const [split, first, count] of [
      ["train", 0, 80],
      ["valid", 500, 20],
      ["valid1", 700, 20],
    ] as const) {
      writeText(join(text, split), first, count);
    }
    const valid = `${join(text, "valid")},${join(text, "valid1")}`;
    const languages = words("-s a -t b");
    const preprocess = ["preprocess", ...languages, "--joined-dictionary", "--destdir", binarised];
    succeed([...preprocess, "--trainpref", join(text, "train"), "--validpref", valid]);
    const flags = [...cpu, ...words("--batch-size 16 --max-update 6 --share-all-embeddings")];
    const both = [...flags, ...words("--valid-subset valid,valid1")];
    const raw = [text, ...languages, "--joined-dictionary", ...both];
    const [first, again] = [train(raw), train(raw)];
    expect(tensorsOf(join(first.saveDir, LAST))).toEqual(
      tensorsOf(join(train([binarised, ...both]).saveDir, LAST)),
    );
    const [made, found] = [first, again].map(({ stderr }) =>
      / is raw text: (.*) in(?:to)? (.*)/.exec(stderr),
    );
    expect(made?.[1]).toBe("binarised");
    expect(found?.[1]).toBe("found binarised");
    expect(found?.[2]).toBe(made?.[2] ?? "");
    expect(readdirSync(env.WEFT_CACHE)).toHaveLength(1);
    expect(stateOf(again.saveDir)).toEqual(stateOf(first.saveDir));
  },
  LONG,
);

test(
  "train learns byte-pair codes from raw text, or cuts it with codes of before",
  () => {
    const text = join(folder, "words");
    mkdirSync(text);
    for (const split of ["train", "valid"]) writeText(join(text, split), 0, 40);
    const flags = [text, ...words("-s a -t b --batch-size 16 --max-update 2"), ...cpu];
    const learned = train([...flags, "--bpe-symbols", "6"]);
    const [, codes] = /codes that cut its words: (.*)/.exec(learned.stderr) ?? [];
    const reused = train([...flags, "--bpe-codes", codes]);
    expect(tensorsOf(join(reused.saveDir, LAST))).toEqual(tensorsOf(join(learned.saveDir, LAST)));
    const { dictionaries } = recordOf(join(learned.saveDir, LAST));
    expect(dictionaries.a).toContain("@@ ");
  },
  LONG,
);

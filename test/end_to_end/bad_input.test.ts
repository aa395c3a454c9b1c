// Mistakes of a user's, each: one clear error with place, value and remedy, exit code 2, no stack,
// and nothing that was saved is lost.
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenPath } from "../support/golden.ts";
import { stateOf } from "./run_folder.ts";
import { writeText } from "./shards.ts";
import { cpu, type Outcome, succeed, tinyModel, weft, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-mistakes-"));
const good = goldenPath("training/runs/data-bin");
const saved = join(folder, "saved");
const always = [...cpu, ...tinyModel, ...words("--max-tokens 400 --max-update 3 --lr 1e-3")];

beforeAll(() => void succeed(["train", good, ...always, "--save-dir", saved]));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let numbered = 0;
const newPath = (): string => join(folder, `${numbered++}`);

/** Checks that an outcome is one clear refusal which contains all of `parts`. */
function expectRefusal({ code, stderr }: Outcome, ...parts: string[]): void {
  for (const part of parts) expect(stderr).toContain(part);
  expect(stderr.match(/^weft: [^\n]+: [^\n]+;\n {2}[^\n]+\n$/m)).not.toBeNull();
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(code).toBe(2);
}

/** `weft train` that must refuse, before it saves anything. */
function refused(data: string, flags: string, ...parts: string[]): void {
  const saveDir = newPath();
  const args = ["train", data, ...always, "--save-dir", saveDir, ...words(flags)];
  expectRefusal(weft(args, { cwd: folder }), ...parts);
  const left = existsSync(saveDir) ? readdirSync(saveDir) : [];
  expect(left).toEqual([]);
}

/** The good data with one change. */
function damaged(change: (path: (name: string) => string) => void): string {
  const copy = newPath();
  cpSync(good, copy, { recursive: true });
  chmodSync(copy, 0o755);
  for (const name of readdirSync(copy)) chmodSync(join(copy, name), 0o644);
  change((name) => join(copy, name));
  return copy;
}

/** The saved run, to be continued with other settings. Whatever is refused, it stays as it is. */
function refusedToContinue(data: string, flags: string, ...parts: string[]): void {
  const args = ["train", data, ...always, ...words(`--max-update 5 ${flags}`)];
  const before = stateOf(saved);
  expectRefusal(weft([...args, "--save-dir", saved]), ...parts);
  expect(stateOf(saved)).toEqual(before);
}

test("train names the nearest flag, key, choice and architecture", () => {
  refused(good, "--max-tokenz 3", "--max-tokenz", "did you mean --max-tokens?");
  refused(good, "--log-format jsn", '--log-format: "jsn"', "did you mean json?");
  refused(good, "--arch transfromer", '"transfromer"', "did you mean transformer?");
  writeFileSync(join(folder, "run.yaml"), "max_tokenz: 3\n");
  refused(good, "--config run.yaml", "run.yaml: max_tokenz", "did you mean max_tokens?");
  refused(
    good,
    "--label-smoothing 0.1",
    "--label-smoothing: belongs to --criterion label_smoothed",
  );
});

test("train refuses values out of range with the range", () => {
  refused(good, "--dropout 1.5", "--dropout: 1.5 is out of range", "at least 0 and below 1");
  refused(good, "--threads 0", "--threads: 0 is out of range", "at least 1");
  refused(good, "--seed 5000000000", "--seed: 5000000000 is out of range");
  refused(good, "--lr abc", "--lr: abc");
  refused(good, "--encoder-attention-heads 3", "3 heads do not divide");
  refused(good, "--best-checkpoint-metric blue", "--best-checkpoint-metric blue", "loss, ppl");
  refused(good, "--best-checkpoint-metric bleu", "--best-checkpoint-metric bleu", "--eval-bleu");
});

test("train refuses batches without a bound", () => {
  const args = ["train", good, ...cpu, ...tinyModel, "--save-dir", newPath()];
  expectRefusal(weft(args), "--max-tokens: is missing", "--batch-size");
});

test("train refuses data that is missing, cut off or no data", () => {
  refused(newPath(), "", "there is no such folder", "weft preprocess");
  refused(`${good}:nowhere`, "", "nowhere: there is no such folder");
  refused(good, "--valid-subset nowhere", "there is no nowhere.", "choose another set");
  const de = "train.en-de.de";
  const gone = (name: string) => damaged((path) => rmSync(path(name)));
  refused(gone(`${de}.bin`), "", "sources without targets");
  refused(gone("dict.de.txt"), "", "dict.de.txt: the dictionary cannot be read");
  refused(gone("valid.en-de.en.idx"), "", "valid.en-de.en.idx", "--validpref");
  const cut = (name: string) => damaged((path) => truncateSync(path(name), 1000));
  refused(cut(`${de}.bin`), "", `${de}.bin: the file has 1000 bytes`);
  refused(cut(`${de}.idx`), "", `${de}.idx: the index ends at byte 1000`);
  const other = damaged((path) => writeFileSync(path(`${de}.idx`), "NOTANINDEX".repeat(9)));
  refused(other, "", `${de}.idx: the file begins with "NOTANIND`, "no known format");
  const small = damaged((path) => {
    const lines = readFileSync(path("dict.de.txt"), "utf8").split("\n");
    writeFileSync(path("dict.de.txt"), lines.slice(0, 100).join("\n"));
  });
  refused(small, "", "is not in the dictionary of 104 symbols");
});

test("train follows --on-too-long for sentences longer than the model's positions, and counts them", () => {
  const short = "--max-source-positions 30";
  refused(good, short, "sentence pairs are longer than (30, ", "--on-too-long truncate or skip");
  for (const [policy, done] of [
    ["truncate", "and are cut: "],
    ["skip", "and are skipped: "],
  ]) {
    const flags = words(`${short} --on-too-long ${policy}`);
    const args = ["train", good, ...always, ...flags, "--save-dir", newPath()];
    const { stderr } = succeed(args);
    const counted =
      / (train|valid): (\d+) of (\d+) sentence pairs are longer than \(30, \d+\) tokens (.*: )/g;
    const found = [...stderr.matchAll(counted)].map(([, set, , all, what]) => [set, all, what]);
    expect(found).toEqual([
      ["valid", "48", done],
      ["train", "360", done],
    ]);
  }
  refused(good, "--max-tokens 9 --on-too-long skip", "too long and skipped", "raise --max-tokens");
  refused(good, "--update-freq 99 --skip-remainder-batch", "an update takes 99", "--update-freq");
});

test("train and preprocess name file and line of text that is no parallel text", () => {
  const text = join(folder, "text");
  const damagedText = (name: string, content: Uint8Array | string): string => {
    const copy = newPath();
    mkdirSync(copy);
    for (const split of ["train", "valid"]) writeText(join(copy, split), 0, 20);
    writeFileSync(join(copy, name), content);
    return copy;
  };
  const check = (data: string, ...parts: string[]): void => {
    const env = { WEFT_CACHE: join(folder, "cache") };
    const train = ["train", data, ...words("-s a -t b"), ...always, "--save-dir", newPath()];
    expectRefusal(weft(train, { env }), ...parts);
    const prefixes = ["--trainpref", join(data, "train"), "--validpref", join(data, "valid")];
    const preprocess = ["preprocess", ...words("-s a -t b"), ...prefixes, "--destdir", newPath()];
    expectRefusal(weft(preprocess), ...parts);
  };
  check(damagedText("train.b", "one\n".repeat(17)), "train.a:18: the line has no partner", "17");
  check(damagedText("valid.a", "one\n".repeat(21)), "valid.a:21: the line has no partner");
  const notUtf8 = Buffer.concat([
    Buffer.from("one\ntwo\n\xff\n", "latin1"),
    Buffer.from("one\n".repeat(17)),
  ]);
  check(damagedText("train.b", notUtf8), "train.b:3", "UTF-8");
  check(damagedText("train.a", ""), "train.a: the file is empty");
  refused(good, "--bpe-symbols 9", "--bpe-symbols", "it is for raw text");
  refused(good, "--joined-dictionary", "--joined-dictionary", "it is for raw text");
  mkdirSync(text);
  writeText(join(text, "train"), 0, 20);
  refused(text, "-s a -t b", "text: has no valid.a beside its training text");
  writeText(join(text, "valid"), 20, 4);
  refused(text, "-s a -t b --bpe-codes nowhere", "--bpe-codes nowhere: there is no such file");
});

test("train refuses a checkpoint that belongs to another run, and leaves it intact", () => {
  const wide = "--encoder-embed-dim 32 --decoder-embed-dim 32";
  refusedToContinue(good, wide, "checkpoint_last", "(360, 16), the model's is (360, 32)");
  refusedToContinue(good, "--encoder-layers 2", "has no parameter encoder.layers.1.");
  refusedToContinue(good, "--no-token-positional-embeddings --layernorm-embedding", "no parameter");
  refusedToContinue(good, "--criterion label_smoothed_cross_entropy", "cross_entropy", "--reset-");
  refusedToContinue(good, "--max-tokens 300", "other data or options", "--reset-dataloader");
  const swapped = damaged((path) => {
    const lines = readFileSync(path("dict.de.txt"), "utf8").split("\n");
    writeFileSync(path("dict.de.txt"), [lines[1], lines[0], ...lines.slice(2)].join("\n"));
  });
  refusedToContinue(swapped, "", "other dictionaries: symbol 4 of its de dictionary is");
  refusedToContinue(swapped, "--reset-dataloader", "other dictionaries");
  // The same lengths, other words: no index tells them apart.
  const reworded = damaged((path) => {
    const bytes = readFileSync(path("train.en-de.de.bin"));
    [bytes[0], bytes[2]] = [bytes[2], bytes[0]];
    writeFileSync(path("train.en-de.de.bin"), bytes);
  });
  refusedToContinue(reworded, "", "was trained on other data", "--reset-dataloader");
});

test("train names a damaged checkpoint, and others to go back to", () => {
  const last = "checkpoint_last.safetensors";
  for (const damage of [
    "",
    "no checkpoint at all",
    readFileSync(join(saved, last)).subarray(0, 999),
  ]) {
    const copy = newPath();
    mkdirSync(copy);
    writeFileSync(join(copy, last), damage);
    const args = ["train", good, ...always, "--save-dir", copy];
    expectRefusal(weft(args), join(copy, last));
    cpSync(join(saved, last), join(copy, "checkpoint7.safetensors"));
    expectRefusal(weft(args), join(copy, last), "--restore-file checkpoint7.safetensors");
    succeed([...args, "--restore-file", "checkpoint7.safetensors"]);
  }
  refused(good, "--restore-file nowhere.pt", "--restore-file nowhere.pt", "there is no such file");
  refused(good, "--finetune-from-model nowhere.pt", "nowhere.pt: no such file");
  const both = "--finetune-from-model nowhere.pt --reset-optimizer";
  refused(good, both, "--reset-optimizer", "--finetune-from-model");
  const base = join(saved, last);
  const twice = `--restore-file ${base} --finetune-from-model ${base}`;
  refused(good, twice, "--restore-file: stands beside --finetune-from-model");
  refused(good, "--ema-seed-model nowhere", "--ema-seed-model", "add --store-ema");
  const layers = `--encoder-layers-to-keep 0,5 --finetune-from-model ${base}`;
  refused(good, layers, "--encoder-layers-to-keep 0,5", "has no encoder layer 5");
  refused(good, "--encoder-layers-to-keep 0,0", "must name each layer once");
  const fairseq = `--restore-file ${goldenPath("checkpoints/transformer_b.pt")}`;
  refused(good, fairseq, "LabelSmoothedCrossEntropyCriterion, not CrossEntropyCriterion");
});

test("train refuses files that it could not write, before the first update", () => {
  refused(good, "--log-file nowhere/log", "--log-file nowhere/log", "ENOENT");
  refused(good, "--profile nowhere/profile", "--profile nowhere/profile", "ENOENT");
  const file = newPath();
  writeFileSync(file, "");
  const args = ["train", good, ...always, "--save-dir"];
  expectRefusal(weft([...args, file]), file, "there is a file of that name");
});

test("train stops at numbers out of bounds, names the update, and keeps the good checkpoint", () => {
  const every = words("--save-interval-updates 1 --max-update 9");
  const keepsGood = (flags: string, ...parts: string[]): void => {
    const copy = newPath();
    cpSync(saved, copy, { recursive: true });
    const args = ["train", good, ...always, ...every, ...words(flags), "--save-dir", copy];
    expectRefusal(weft(args), "--lr", ...parts);
    expect(stateOf(copy)).toEqual(stateOf(saved));
  };
  keepsGood("--lr 1e30", "validation on valid after update 4: the loss is NaN");
  keepsGood("--lr 1e39 --disable-validation", "update 4", "in decoder.");
  const late = "--lr 1e30 --disable-validation --save-interval-updates 0";
  keepsGood(late, "update 5: loss NaN and gradient norm NaN on sentences ");
});

test("train refuses a model that memory cannot hold before it makes it", () => {
  const size = "--encoder-embed-dim 8192 --encoder-ffn-embed-dim 32768 --encoder-layers 20";
  refused(good, size, "model: its parameters", "MiB are there", "use a smaller model");
  // Batches of training are cut into pieces that fit, those of validation are not.
  const wide = "--encoder-ffn-embed-dim 1000000 --batch-size 1 --batch-size-valid 400";
  refused(good, `${wide} --max-tokens-valid 20000`, "memory", "MiB", "lower --max-tokens");
});

test("train refuses a WebGPU adapter that is not there", () => {
  const nothing = "webgpu:an-adapter-that-nobody-has";
  refused(good, `--device ${nothing}`, "--device");
});

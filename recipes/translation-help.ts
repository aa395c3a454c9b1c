// English-German translation from the sentences of LibreOffice's help: raw text to vocabulary,
// binarised data, a trained Transformer, translations and their BLEU.
//
//   bun run recipes/translation-help.ts --quick    a small model in a few minutes
//   bun run recipes/translation-help.ts            the "small" Transformer, 25 epochs, under an hour;
//                                                  stopped, the same command goes on from there
//
// Further flags go to weft train: --device webgpu, --threads 1, --blas none, ...
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { joinPunctuation, splitPunctuation } from "../src/data/tokenizer/joiner_tokenizer.ts";
import { deviceFlags, secondsSinceStart, weft } from "./support/weft.ts";

const words = process.argv.slice(2);
const quick = words.includes("--quick");
const trainFlags = words.filter((word) => word !== "--quick");
const corpus = join(import.meta.dirname, "data/help");
const out = join(
  import.meta.dirname,
  quick ? "out/translation-help-quick" : "out/translation-help",
);
const at = (name: string): string => join(out, name);
const splits = ["train", "valid", "test"] as const;
const languages = ["en", "de"] as const;

/** A Transformer of one width on both sides. */
const shape = (width: number, layers: number): string[] =>
  ["encoder", "decoder"].flatMap((side) => [
    ...[`--${side}-embed-dim`, `${width}`, `--${side}-ffn-embed-dim`, `${4 * width}`],
    ...[`--${side}-layers`, `${layers}`, `--${side}-attention-heads`, "4"],
  ]);

const settings = quick
  ? {
      symbols: 6000,
      model: [...shape(128, 2), "--encoder-normalize-before", "--decoder-normalize-before"],
      training: [
        // Five epochs see every sentence too seldom to overfit: dropout would only slow them down.
        ...["--dropout", "0", "--max-tokens", "1024", "--lr", "3e-3", "--warmup-updates", "200"],
        ...["--clip-norm", "1", "--max-epoch", "5", "--store-ema", "--ema-decay", "0.995"],
      ],
    }
  : {
      symbols: 6000,
      model: shape(256, 3),
      training: [
        ...["--dropout", "0.3", "--max-tokens", "2048", "--lr", "1e-3", "--warmup-updates", "800"],
        ...["--clip-norm", "1", "--weight-decay", "0.0001", "--max-epoch", "25", "--store-ema"],
        ...["--ema-decay", "0.998"],
      ],
    };

/** Raw lines of a split in both languages. */
function readSplit(split: string): string[][] {
  const lines = readFileSync(join(corpus, `${split}.en-de.tsv`), "utf8")
    .trimEnd()
    .split("\n");
  return lines.map((line) => line.split("\t"));
}

const bin = at("bin");

/** Text to word pieces, one vocabulary of them for both languages, and binarised data. */
async function prepare(): Promise<void> {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  console.log(`${splits.map((s) => `${readSplit(s).length} ${s}`).join(", ")} pairs -> ${out}`);
  for (const split of splits) {
    for (const [column, language] of languages.entries()) {
      const text = readSplit(split).map((pair) => `${splitPunctuation(pair[column])}\n`);
      writeFileSync(at(`${split}.words.${language}`), text.join(""));
    }
  }

  const codes = at("bpe.codes");
  const learnFrom = languages.map((language) => at(`train.words.${language}`));
  await weft([
    "bpe",
    "learn",
    "--symbols",
    `${settings.symbols}`,
    "--output",
    codes,
    "--input",
    ...learnFrom,
  ]);
  for (const split of splits) {
    for (const language of languages) {
      const [input, output] = [at(`${split}.words.${language}`), at(`${split}.${language}`)];
      await weft(["bpe", "apply", "--codes", codes, "--input", input, "--output", output]);
    }
  }

  await weft([
    ...[
      "preprocess",
      "-s",
      "en",
      "-t",
      "de",
      "--joined-dictionary",
      "--destdir",
      bin,
      "--workers",
      "2",
    ],
    ...splits.flatMap((split) => [`--${split}pref`, at(split)]),
  ]);
}

if (!quick && existsSync(join(bin, "preprocess.log"))) {
  console.log(`going on in ${out}; remove it to begin anew`);
} else await prepare();

const checkpoints = at("checkpoints");
await weft([
  ...["train", bin, "--save-dir", checkpoints, "--arch", "transformer", ...settings.model],
  ...["--share-all-embeddings", "--criterion", "label_smoothed_cross_entropy"],
  ...["--label-smoothing", "0.1", "--optimizer", "adam", "--adam-betas", "(0.9, 0.98)"],
  ...["--lr-scheduler", "inverse_sqrt", ...settings.training],
  ...["--no-epoch-checkpoints", "--seed", "1", ...trainFlags],
]);

const results = at("results");
await weft([
  ...["generate", bin, "--path", join(checkpoints, "checkpoint_last.safetensors"), "--ema"],
  ...["--gen-subset", "test", "--beam", "5", "--batch-size", "32", "--remove-bpe"],
  ...["--results-path", results, ...deviceFlags(trainFlags)],
]);

// From word pieces back to text, in the order of the test set.
const translations: string[] = [];
for (const line of readFileSync(join(results, "generate-test.txt"), "utf8").split("\n")) {
  const [, id, text] = /^D-(\d+)\t[^\t]*\t(.*)$/.exec(line) ?? [];
  if (id !== undefined) translations[Number(id)] = joinPunctuation(text);
}
const references = readSplit("test").map(([, german]) => german);
writeFileSync(at("test.hyp"), translations.map((line) => `${line}\n`).join(""));
writeFileSync(at("test.ref"), references.map((line) => `${line}\n`).join(""));
await weft(["score", "--scoring", "sacrebleu", "--sys", at("test.hyp"), "--ref", at("test.ref")]);

console.log("\nFive sentences of the test set:");
const sources = readSplit("test").map(([english]) => english);
for (const index of [3, 150, 301, 452, 603]) {
  console.log(`\n  en         ${sources[index]}`);
  console.log(`  translated ${translations[index]}`);
  console.log(`  reference  ${references[index]}`);
}
console.log(
  `\ndone in ${secondsSinceStart()} s; the model is ${join(checkpoints, "checkpoint_last.safetensors")}`,
);

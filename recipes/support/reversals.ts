// The toy task: strings of digits, and the same digits in reverse order.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededDigits } from "./digits.ts";

const SPLITS = { train: 8_000, valid: 200, test: 200 };

/** Flags of a model that learns the task, and of its training. */
export const toyModel = [
  ...["--arch", "transformer_tiny", "--share-all-embeddings", "--dropout", "0"],
  ...["--encoder-attention-heads", "4", "--decoder-attention-heads", "4"],
  ...["--encoder-ffn-embed-dim", "128", "--decoder-ffn-embed-dim", "128"],
  ...["--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"],
  ...["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--lr", "2e-3", "--clip-norm", "1"],
  ...["--encoder-normalize-before", "--decoder-normalize-before", "--store-ema"],
  ...["--ema-decay", "0.99", "--lr-scheduler", "inverse_sqrt", "--warmup-updates", "200"],
  ...["--no-epoch-checkpoints"],
];

/** Writes the text into a new folder. @returns the arguments that binarise it into its `bin`. */
export function writeReversals(folder: string): string[] {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const digits = seededDigits(7);
  for (const [split, lines] of Object.entries(SPLITS)) {
    const sources = Array.from({ length: lines }, () => digits(1, 6));
    const text = (rows: readonly number[][]) => rows.map((row) => `${row.join(" ")}\n`).join("");
    writeFileSync(join(folder, `${split}.src`), text(sources));
    writeFileSync(join(folder, `${split}.tgt`), text(sources.map((row) => row.toReversed())));
  }
  return [
    ...["preprocess", "-s", "src", "-t", "tgt", "--joined-dictionary"],
    ...["--destdir", join(folder, "bin")],
    ...Object.keys(SPLITS).flatMap((split) => [`--${split}pref`, join(folder, split)]),
  ];
}

/** How many hypotheses of `weft generate` are their targets, and how many targets there are. */
export function exactMatches(printed: string): { right: number; all: number } {
  const targets = new Map<string, string>();
  let right = 0;
  for (const line of printed.split("\n")) {
    const [tag, ...fields] = line.split("\t");
    if (tag.startsWith("T-")) targets.set(tag.slice(2), fields[0]);
    if (tag.startsWith("H-") && targets.get(tag.slice(2)) === fields[1]) right++;
  }
  return { right, all: targets.size };
}

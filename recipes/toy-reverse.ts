// Learns to reverse strings of digits: "3 1 4" becomes "4 1 3". A minute or two from nothing to
// 100 % exact match, so a fault anywhere between text and search shows at once.
//
//   bun run recipes/toy-reverse.ts            [further flags for weft train, such as --device webgpu]
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { seededDigits } from "./support/digits.ts";
import { deviceFlags, secondsSinceStart, weft } from "./support/weft.ts";

const out = join(import.meta.dirname, "out/toy-reverse");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const digits = seededDigits(7);
for (const [split, lines] of Object.entries({ train: 8_000, valid: 200, test: 200 })) {
  const sources = Array.from({ length: lines }, () => digits(1, 6));
  writeFileSync(join(out, `${split}.src`), sources.map((s) => `${s.join(" ")}\n`).join(""));
  const targets = sources.map((s) => `${s.toReversed().join(" ")}\n`);
  writeFileSync(join(out, `${split}.tgt`), targets.join(""));
}

const languages = ["-s", "src", "-t", "tgt"];
const bin = join(out, "bin");
const checkpoints = join(out, "checkpoints");

await weft([
  ...["preprocess", ...languages, "--destdir", bin, "--joined-dictionary"],
  ...["train", "valid", "test"].flatMap((split) => [`--${split}pref`, join(out, split)]),
]);
await weft([
  ...["train", bin, "--save-dir", checkpoints, "--arch", "transformer_tiny"],
  ...["--encoder-attention-heads", "4", "--decoder-attention-heads", "4"],
  ...["--encoder-ffn-embed-dim", "128", "--decoder-ffn-embed-dim", "128"],
  ...["--share-all-embeddings", "--dropout", "0", "--max-tokens", "1024"],
  ...["--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"],
  ...["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--lr", "2e-3", "--clip-norm", "1"],
  ...["--encoder-normalize-before", "--decoder-normalize-before", "--store-ema"],
  ...["--ema-decay", "0.99", "--lr-scheduler", "inverse_sqrt", "--warmup-updates", "200"],
  ...["--max-epoch", "18", "--no-epoch-checkpoints", ...process.argv.slice(2)],
]);
const printed = await weft(
  [
    ...["generate", bin, "--path", join(checkpoints, "checkpoint_last.safetensors"), "--ema"],
    ...["--beam", "5", ...deviceFlags(process.argv.slice(2))],
  ],
  { capture: true },
);

const targets = new Map<string, string>();
let right = 0;
for (const line of printed.split("\n")) {
  const [tag, ...fields] = line.split("\t");
  if (tag.startsWith("T-")) targets.set(tag.slice(2), fields[0]);
  if (tag.startsWith("H-") && targets.get(tag.slice(2)) === fields[1]) right++;
}
console.log(`\nexact match: ${right} of ${targets.size} (${secondsSinceStart()} s)`);
if (right !== targets.size) process.exit(1);

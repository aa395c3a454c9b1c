// Data that a tiny model trains on in milliseconds.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeText } from "../../end_to_end/shards.ts";
import { cpu, succeed, tinyModel, words } from "../../end_to_end/weft_process.ts";

/** Binarises sentences whose target is the source reversed. @returns the folder. */
export function makeToyData(folder: string, sentences = 2000): string {
  const [text, data] = [join(folder, "text"), join(folder, `data${sentences}`)];
  mkdirSync(text, { recursive: true });
  writeText(join(text, "train"), 0, sentences);
  writeText(join(text, "valid"), 5000, 40);
  succeed([
    ...words("preprocess -s a -t b --joined-dictionary --destdir"),
    ...[data, "--trainpref", join(text, "train"), "--validpref", join(text, "valid")],
  ]);
  return data;
}

/** Flags of every peer of every job. */
export const trainFlags: readonly string[] = [
  ...[...cpu, ...tinyModel, "--plugin", join(import.meta.dirname, "paced_plugin.ts")],
  ...words("--lr-scheduler paced --lr 2e-3 --clip-norm 1 --dropout 0.1 --max-tokens 250"),
  ...words("--no-epoch-checkpoints --log-format json --log-interval 1 --validate-interval 5"),
];

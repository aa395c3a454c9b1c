import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

const BLOCK = 1 << 20;

/** Blocks read of a file; the larger ones are sampled, evenly from the first to the last. */
const BLOCKS = 16;

/**
 * A hash that tells one training set from another: dictionaries, names, sizes and contents of the
 * files of the training set. Of each file up to 16 MiB count, so that a restart does not read a corpus.
 */
export function dataHash(
  dictionaries: Iterable<string>,
  folders: readonly string[],
  split: string,
): string {
  const hash = createHash("sha256");
  for (const text of dictionaries) hash.update(text);
  for (const folder of folders) {
    const names = readdirSync(folder).filter((name) => name.startsWith(split));
    for (const name of names.sort()) {
      hash.update(name);
      addFile(hash, join(folder, name));
    }
  }
  return hash.digest("hex");
}

function addFile(hash: Hash, path: string): void {
  const { size } = statSync(path);
  hash.update(`${size}`);
  const last = Math.ceil(size / BLOCK) - 1;
  const places = Array.from({ length: Math.min(BLOCKS, last + 1) }, (_, i) =>
    last < BLOCKS ? i : Math.round((i * last) / (BLOCKS - 1)),
  );
  const bytes = new Uint8Array(BLOCK);
  const file = openSync(path, "r");
  try {
    for (const place of places) {
      hash.update(bytes.subarray(0, readSync(file, bytes, 0, BLOCK, place * BLOCK)));
    }
  } finally {
    closeSync(file);
  }
}

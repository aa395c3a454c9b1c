import { existsSync } from "node:fs";
import { UserError } from "../config/user_error.ts";
import type { Dictionary } from "./dictionary.ts";
import { elementTypeFor } from "./element_type.ts";
import { damaged, IndexReader } from "./indexed_files.ts";
import { LEGACY_MAGIC, LegacyDatasetWriter, openLegacyDataset } from "./legacy_dataset.ts";
import { MMAP_MAGIC, MmapDatasetWriter, openMmapDataset } from "./mmap_dataset.ts";
import { openRawTextDataset } from "./raw_text_dataset.ts";
import type { TokenDataset } from "./token_dataset.ts";

/** `--dataset-impl`: how sequences lie on disk. cached and lazy share one format. */
export const DATASET_IMPLS = ["mmap", "cached", "lazy", "raw"] as const;
export type DatasetImpl = (typeof DATASET_IMPLS)[number];

export type DatasetWriter = MmapDatasetWriter | LegacyDatasetWriter;

/** Whether a dataset stands at the prefix, in any format. */
export const datasetExists = (prefix: string): boolean => inferImpl(prefix) !== undefined;

/**
 * The format at a prefix: a file of exactly that name is raw text, else the index's first bytes say.
 *
 * @throws UserError for an index of no known kind.
 */
export function inferImpl(prefix: string): DatasetImpl | undefined {
  if (existsSync(prefix)) return "raw";
  if (!existsSync(`${prefix}.idx`) || !existsSync(`${prefix}.bin`)) return undefined;
  const index = new IndexReader(`${prefix}.idx`);
  const magic = index.magic(LEGACY_MAGIC.length);
  if (magic === LEGACY_MAGIC) return "cached";
  if (MMAP_MAGIC.startsWith(magic)) return "mmap";
  if (magic.startsWith("HUFFIDX")) {
    throw new UserError({
      place: index.path,
      problem: "the dataset is Huffman-coded, which weft does not read",
      remedy: "binarise the text again with weft preprocess",
    });
  }
  throw damaged(index.path, `the file begins with ${JSON.stringify(magic)}, no known format`);
}

/**
 * Opens the dataset at a prefix.
 *
 * @param dictionary needed for raw text alone.
 * @param impl expected format; inferred where not given.
 * @returns undefined if nothing is there.
 * @throws UserError if what is there cannot be read.
 */
export function openDataset(
  prefix: string,
  dictionary?: Dictionary,
  impl: DatasetImpl | undefined = inferImpl(prefix),
): TokenDataset | undefined {
  if (impl === undefined || !datasetExists(prefix)) return undefined;
  if (impl === "mmap") return openMmapDataset(prefix);
  if (impl !== "raw") return openLegacyDataset(prefix);
  if (dictionary) return openRawTextDataset(prefix, dictionary);
  throw new UserError({
    place: prefix,
    problem: "raw text cannot be read without a dictionary",
    remedy: "binarise it with weft preprocess",
  });
}

/** Starts a binary dataset. `vocabulary` decides the element type of mmap files. */
export function createDataset(
  prefix: string,
  impl: DatasetImpl,
  vocabulary?: number,
): DatasetWriter {
  return impl === "mmap"
    ? new MmapDatasetWriter(prefix, elementTypeFor(vocabulary))
    : new LegacyDatasetWriter(prefix);
}

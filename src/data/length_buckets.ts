import { mapTokens, type TokenDataset } from "./token_dataset.ts";

/**
 * Lengths that cut the given ones into about equally full classes: `--num-batch-buckets`.
 * numpy.percentile(sizes, linspace(0, 100, count + 1)[1:]), lower values, without repeats.
 */
export function lengthBuckets(sizes: Int32Array, count: number): Int32Array {
  const sorted = sizes.slice().sort();
  const step = 100 / count;
  const buckets = new Set<number>();
  for (let i = 1; i <= count; i++) {
    const percent = i === count ? 100 : i * step;
    buckets.add(sorted[Math.floor((sorted.length - 1) * (percent / 100))] ?? 0);
  }
  return Int32Array.from(buckets).sort();
}

/** The smallest bucket that holds `size`; the last bucket holds the longest. */
export function bucketOf(buckets: Int32Array, size: number): number {
  return buckets.find((bucket) => bucket >= size) ?? size;
}

/** Pads every sequence to its bucket. */
export function padToBuckets(
  dataset: TokenDataset,
  buckets: Int32Array,
  pad: number,
  leftPad: boolean,
): TokenDataset {
  return mapTokens(
    dataset,
    (size) => bucketOf(buckets, size),
    (tokens) => {
      const padded = new Int32Array(bucketOf(buckets, tokens.length)).fill(pad);
      padded.set(tokens, leftPad ? padded.length - tokens.length : 0);
      return padded;
    },
  );
}

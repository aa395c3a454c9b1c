/** How often each n-gram occurs, by its items joined with a space. */
export type NgramCounts = Map<string, number>;

/** n-grams of a list of items that hold no space. */
export function countNgrams(items: readonly string[], n: number): NgramCounts {
  const counts: NgramCounts = new Map();
  for (let i = 0; i + n <= items.length; i++) {
    const gram = items.slice(i, i + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

/** Sum over n-grams of the lesser of the two counts. */
export function commonNgrams(a: NgramCounts, b: NgramCounts): number {
  let common = 0;
  for (const [gram, count] of a) common += Math.min(count, b.get(gram) ?? 0);
  return common;
}

export function totalNgrams(counts: NgramCounts): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

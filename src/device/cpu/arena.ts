// Packs the temporaries of a program into one block: two lie at the same place only if they are
// never alive together. Largest first, each at the lowest address that is free for its lifetime.

export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface Packing {
  /** Offset of each lifetime, in the order given. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

const ALIGNMENT = 64;

/** @returns offsets aligned to 64 bytes. */
export function pack(lifetimes: readonly Lifetime[]): Packing {
  const offsets = new Array<number>(lifetimes.length).fill(0);
  /** Already packed, in order of offset. */
  const placed: { begin: number; end: number; first: number; last: number }[] = [];
  let total = 0;
  for (const index of bySize(lifetimes)) {
    const { bytes, first, last } = lifetimes[index];
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    let begin = 0;
    for (const other of placed) {
      if (other.last < first || last < other.first) continue;
      if (begin + size <= other.begin) break;
      begin = Math.max(begin, other.end);
    }
    offsets[index] = begin;
    placed.splice(firstBehind(placed, begin), 0, { begin, end: begin + size, first, last });
    total = Math.max(total, begin + size);
  }
  return { offsets, bytes: total };
}

/** Place of the first block that begins behind `offset`. */
function firstBehind(placed: readonly { readonly begin: number }[], offset: number): number {
  let [low, high] = [0, placed.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placed[middle].begin > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Numbers of the lifetimes that need memory, largest first, of equals the first one first. */
function bySize(lifetimes: readonly Lifetime[]): number[] {
  const count = lifetimes.length;
  // Sorted as numbers, which needs no call for each comparison.
  const keys = new Float64Array(count);
  for (let index = 0; index < count; index++) keys[index] = index - lifetimes[index].bytes * count;
  keys.sort();
  const order: number[] = [];
  for (const key of keys) if (key < 0) order.push(((key % count) + count) % count);
  return order;
}

import { compareCodePoints } from "../code_point_order.ts";

/** What END_OF_WORD-marked symbols end with. */
export const END_OF_WORD = "</w>";

/** A word as symbol ids, and how often it occurs. */
interface CountedWord {
  symbols: number[];
  count: number;
}

/**
 * Frequencies of neighbouring symbols in a list of words, kept up to date as pairs are merged.
 *
 * subword-nmt keeps them in two tables: `stats` with the frequent pairs, where the best is looked
 * for, and `big_stats` with the values of the pairs that were pruned from it. A pruned pair that
 * gains again starts from zero. That loss decides ties in real text, so it is kept here; the search
 * for the best pair is a heap instead of a scan.
 *
 * Source: Sennrich, Haddow and Birch 2016; learn_bpe.py of subword-nmt 0.3.8.
 */
export class PairStatistics {
  readonly #words: CountedWord[];
  readonly #symbolNames: string[] = [];
  readonly #symbolIds = new Map<string, number>();
  /** Pair ids by first * 2^26 + second. */
  readonly #pairIds = new Map<number, number>();
  readonly #pairs: [first: number, second: number][] = [];
  /** Per pair: in which words it is counted, and how often. */
  readonly #where: Map<number, number>[] = [];
  #stats = new Map<number, number>();
  readonly #pruned: Map<number, number>;
  #heap: Heap;
  #touched = new Set<number>();

  /** @param counts words of at least one character. */
  constructor(counts: ReadonlyMap<string, number>) {
    this.#words = [...counts].map(([word, count]) => {
      const characters = [...word];
      characters.push((characters.pop() ?? "") + END_OF_WORD);
      return { symbols: characters.map((name) => this.#symbol(name)), count };
    });
    for (const [j, { symbols, count }] of this.#words.entries()) {
      for (let i = 0; i + 1 < symbols.length; i++) this.#change(symbols, i, j, count, 1);
    }
    this.#pruned = new Map(this.#stats);
    this.#heap = this.#newHeap();
  }

  /** Number of different symbols the words are made of before any merge. */
  get symbolCount(): number {
    return this.#symbolNames.length;
  }

  /** The most frequent pair that is not pruned; of equals, the last in code point order. */
  best(): { pair: number; count: number } | undefined {
    for (;;) {
      const top = this.#heap.peek();
      if (!top) return undefined;
      if (this.#stats.get(top.pair) === top.count) return top;
      this.#heap.pop();
    }
  }

  /** The two symbols of a pair. */
  names(pair: number): [first: string, second: string] {
    const [first, second] = this.#pairOf(pair);
    return [this.#symbolNames[first] ?? "", this.#symbolNames[second] ?? ""];
  }

  /** Puts pairs below the threshold aside. */
  prune(threshold: number): void {
    for (const [pair, count] of this.#stats) {
      if (count >= threshold) continue;
      this.#stats.delete(pair);
      this.#pruned.set(pair, count < 0 ? (this.#pruned.get(pair) ?? 0) + count : count);
    }
  }

  /** Takes all pairs back. */
  restore(): void {
    this.#stats = new Map(this.#pruned);
    this.#heap = this.#newHeap();
  }

  /** Makes one symbol of every occurrence of a pair. */
  merge(pair: number): void {
    const [first, second] = this.#pairOf(pair);
    const merged = this.#symbol(this.names(pair).join(""));
    const changes: { j: number; old: number[]; word: number[]; count: number }[] = [];
    for (const [j, occurrences] of this.#where[pair] ?? []) {
      const word = this.#words[j];
      if (occurrences < 1 || !word) continue;
      const old = word.symbols;
      word.symbols = replacePair(old, first, second, merged);
      changes.push({ j, old, word: word.symbols, count: word.count });
    }
    this.#where[pair] = new Map();
    for (const { j, old, word, count } of changes) {
      this.#forgetNeighbours(old, first, second, j, count);
      this.#learnNeighbours(word, merged, j, count);
    }
    this.#set(pair, 0);
    for (const touched of this.#touched) {
      this.#heap.push({ pair: touched, count: this.#stats.get(touched) ?? 0 });
    }
    this.#touched.clear();
  }

  /** A B C D with B C merged: A B and C D are gone. */
  #forgetNeighbours(old: number[], first: number, second: number, j: number, count: number): void {
    for (let i = old.indexOf(first); i >= 0; ) {
      if (old[i + 1] !== second) {
        i = old.indexOf(first, i + 1);
        continue;
      }
      if (i > 0) this.#change(old, i - 1, j, -count, -1);
      // In A B C B C the pair C B is the next occurrence's left neighbour.
      const nextOccurrence = old[i + 2] === first && old[i + 3] === second;
      if (i + 2 < old.length && !nextOccurrence) this.#change(old, i + 1, j, -count, -1);
      i = old.indexOf(first, i + 2);
    }
  }

  /** A BC D: A BC and BC D are new. */
  #learnNeighbours(word: number[], merged: number, j: number, count: number): void {
    for (let i = word.indexOf(merged); i >= 0; i = word.indexOf(merged, i + 1)) {
      if (i > 0) this.#change(word, i - 1, j, count, 1);
      // In BC BC the second one's left neighbour is the pair.
      if (i + 1 < word.length && word[i + 1] !== merged) this.#change(word, i, j, count, 1);
    }
  }

  /** Adds to the frequency of the pair at `i` of a word, and to its occurrences in word j. */
  #change(symbols: number[], i: number, j: number, count: number, occurrences: number): void {
    const pair = this.#pair(symbols[i] ?? 0, symbols[i + 1] ?? 0);
    this.#set(pair, (this.#stats.get(pair) ?? 0) + count);
    const where = this.#where[pair];
    where?.set(j, (where.get(j) ?? 0) + occurrences);
  }

  #set(pair: number, count: number): void {
    this.#stats.set(pair, count);
    this.#touched.add(pair);
  }

  #symbol(name: string): number {
    let id = this.#symbolIds.get(name);
    if (id === undefined) {
      id = this.#symbolNames.length;
      this.#symbolIds.set(name, id);
      this.#symbolNames.push(name);
    }
    return id;
  }

  #pair(first: number, second: number): number {
    const key = first * 2 ** 26 + second;
    let id = this.#pairIds.get(key);
    if (id === undefined) {
      id = this.#pairs.length;
      this.#pairIds.set(key, id);
      this.#pairs.push([first, second]);
      this.#where.push(new Map());
    }
    return id;
  }

  #pairOf(pair: number): [number, number] {
    const found = this.#pairs[pair];
    if (!found) throw new RangeError(`no pair ${pair}`);
    return found;
  }

  #newHeap(): Heap {
    this.#touched.clear();
    const heap = new Heap((a, b) => {
      if (a.count !== b.count) return a.count > b.count;
      const [aFirst, aSecond] = this.names(a.pair);
      const [bFirst, bSecond] = this.names(b.pair);
      return (compareCodePoints(aFirst, bFirst) || compareCodePoints(aSecond, bSecond)) > 0;
    });
    for (const [pair, count] of this.#stats) heap.push({ pair, count });
    return heap;
  }
}

function replacePair(symbols: number[], first: number, second: number, merged: number): number[] {
  const replaced: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const symbol = symbols[i] ?? 0;
    if (symbol === first && symbols[i + 1] === second) {
      replaced.push(merged);
      i++;
    } else {
      replaced.push(symbol);
    }
  }
  return replaced;
}

interface HeapEntry {
  pair: number;
  count: number;
}

/** A binary heap whose top comes before all others. Old entries stay until they reach the top. */
class Heap {
  readonly #entries: HeapEntry[] = [];

  constructor(readonly before: (a: HeapEntry, b: HeapEntry) => boolean) {}

  peek(): HeapEntry | undefined {
    return this.#entries[0];
  }

  push(entry: HeapEntry): void {
    const entries = this.#entries;
    let at = entries.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent];
      if (!above || !this.before(entry, above)) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (!last || entries.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = entries[child];
      const right = entries[child + 1];
      if (below && right && this.before(right, below)) {
        child++;
        below = right;
      }
      if (!below || !this.before(below, last)) break;
      entries[at] = below;
      at = child;
    }
    entries[at] = last;
  }
}

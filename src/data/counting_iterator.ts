/** Walks a list and knows its place, so that a run can stop and go on anywhere. */
export class CountingIterator<T> implements IterableIterator<T> {
  readonly #items: readonly T[];
  #n: number;
  #total: number;

  /** @param start items that count as given out already. */
  constructor(items: readonly T[], start = 0) {
    this.#items = items;
    this.#n = start;
    this.#total = items.length;
  }

  /** Items given out, counted from the list's start. */
  get n(): number {
    return this.#n;
  }

  /** Items in all, counted from the list's start. */
  get length(): number {
    return this.#total;
  }

  hasNext(): boolean {
    return this.#n < this.#total;
  }

  next(): IteratorResult<T, undefined> {
    if (!this.hasNext()) return { done: true, value: undefined };
    return { done: false, value: this.#items[this.#n++] as T };
  }

  /** Passes over the next `count` items. */
  skip(count: number): this {
    this.#n = Math.min(this.#n + count, this.#total);
    return this;
  }

  /** Ends the walk after the list's first `total` items. */
  take(total: number): this {
    this.#total = Math.min(this.#total, total);
    return this;
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/**
 * The micro-batches of one update at a time: `--update-freq`.
 *
 * A walk that was resumed between two multiples of the size (the size was changed meanwhile) still
 * gives out everything that is left. fairseq counts the begun group as done and loses the tail.
 */
export class GroupedIterator<T> implements IterableIterator<T[]> {
  readonly #items: CountingIterator<T>;
  readonly #size: number;
  #n: number;
  readonly length: number;

  /** @param skipRemainder leave out a last group that is not full. */
  constructor(items: CountingIterator<T>, size: number, skipRemainder = false) {
    this.#items = items;
    this.#size = size;
    this.#n = Math.ceil(items.n / size);
    const left = Math.max(0, items.length - items.n);
    const groups = skipRemainder ? Math.floor(left / size) : Math.ceil(left / size);
    if (skipRemainder) items.take(items.n + groups * size);
    this.length = this.#n + groups;
  }

  /** Groups given out, those before a resume included. */
  get n(): number {
    return this.#n;
  }

  hasNext(): boolean {
    return this.#items.hasNext();
  }

  next(): IteratorResult<T[], undefined> {
    const group: T[] = [];
    while (group.length < this.#size && this.#items.hasNext()) {
      const item = this.#items.next();
      if (!item.done) group.push(item.value);
    }
    if (group.length === 0) return { done: true, value: undefined };
    this.#n++;
    return { done: false, value: group };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

import { hashBytes } from "./token_scanner.ts";

/**
 * A hash table from words, given as UTF-8 bytes, to numbers 0, 1, 2, ... in the order of adding.
 * Looking up a word makes no garbage: the words lie in one arena, the slots in one array.
 */
export class ByteVocabulary {
  #arena = new Uint8Array(1 << 16);
  #arenaUsed = 0;
  /** Where word i ends in the arena; it begins where word i - 1 ends. */
  #ends = new Int32Array(1 << 12);
  #hashes = new Int32Array(1 << 12);
  #slots = new Int32Array(1 << 13).fill(-1);
  #length = 0;

  /** Words get the numbers of their places; of equal words the last place counts. */
  static of(words: readonly string[]): { vocabulary: ByteVocabulary; places: Int32Array } {
    const vocabulary = new ByteVocabulary();
    const places: number[] = [];
    const encoder = new TextEncoder();
    for (const [place, word] of words.entries()) {
      const bytes = encoder.encode(word);
      places[vocabulary.add(bytes, 0, bytes.length, hashBytes(bytes, 0, bytes.length))] = place;
    }
    return { vocabulary, places: Int32Array.from(places) };
  }

  get length(): number {
    return this.#length;
  }

  /** The number of a word, or -1. `hash` is hashBytes() of the range. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const word = this.#slots[slot] ?? -1;
      if (word < 0) return -1;
      if (this.#hashes[word] === hash && this.#equals(word, bytes, start, end)) return word;
    }
  }

  /** The number of a word, a new one if it was not there. */
  add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const known = this.find(bytes, start, end, hash);
    if (known >= 0) return known;
    const word = this.#length++;
    if (word >= this.#ends.length) this.#growWords();
    const size = end - start;
    if (this.#arenaUsed + size > this.#arena.length) {
      const grown = new Uint8Array(2 * (this.#arena.length + size));
      grown.set(this.#arena);
      this.#arena = grown;
    }
    this.#arena.set(bytes.subarray(start, end), this.#arenaUsed);
    this.#arenaUsed += size;
    this.#ends[word] = this.#arenaUsed;
    this.#hashes[word] = hash;
    this.#insert(word);
    return word;
  }

  /** All words, by number. */
  words(): string[] {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return Array.from({ length: this.#length }, (_, word) =>
      decoder.decode(this.#arena.subarray(this.#start(word), this.#ends[word])),
    );
  }

  #start(word: number): number {
    return word === 0 ? 0 : (this.#ends[word - 1] ?? 0);
  }

  #equals(word: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#start(word);
    const size = end - start;
    if ((this.#ends[word] ?? 0) - from !== size) return false;
    for (let i = 0; i < size; i++) if (this.#arena[from + i] !== bytes[start + i]) return false;
    return true;
  }

  #insert(word: number): void {
    const mask = this.#slots.length - 1;
    let slot = spread(this.#hashes[word] ?? 0) & mask;
    while ((this.#slots[slot] ?? -1) >= 0) slot = (slot + 1) & mask;
    this.#slots[slot] = word;
  }

  /** Doubles the room for words; the slots stay at least half empty. */
  #growWords(): void {
    const ends = new Int32Array(2 * this.#ends.length);
    ends.set(this.#ends);
    this.#ends = ends;
    const hashes = new Int32Array(2 * this.#hashes.length);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#slots = new Int32Array(4 * this.#hashes.length).fill(-1);
    for (let word = 0; word < this.#length - 1; word++) this.#insert(word);
  }
}

/** FNV's low bits are its weakest; fold the high ones in. */
const spread = (hash: number): number => hash ^ (hash >>> 15);

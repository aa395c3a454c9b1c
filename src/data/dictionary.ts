import { UserError } from "../config/user_error.ts";
import { postProcess } from "./bpe/post_process.ts";
import { compareCodePoints } from "./code_point_order.ts";
import { type DictionaryEntry, parseDictionaryText } from "./dictionary_text.ts";
import { tokenizeLine } from "./white_space.ts";

/** Spellings of the special symbols, in the order of their ids: 0, 1, 2, 3, then `extra`. */
export interface SpecialSymbols {
  bos?: string;
  pad?: string;
  eos?: string;
  unk?: string;
  extra?: readonly string[];
}

/** Which words a finished vocabulary keeps. */
export interface VocabularyLimits {
  /** Rarer words are left out; below 1 keeps all. */
  threshold?: number;
  /** Size of the vocabulary with the specials and without padding; 0 or less keeps all. */
  nwords?: number;
  /** The size is padded to a multiple of this with madeupword0000, ...; 1 or less pads nothing. */
  paddingFactor?: number;
}

/** How ids become text. */
export interface StringOptions {
  /** See postProcess(). */
  postProcess?: string;
  /** Print unknown words as <<unk>>, so that they differ from a literal <unk> in a reference. */
  escapeUnk?: boolean;
  /** Print unknown words as this. */
  unkString?: string;
  /** Ids left out beside eos and bos. */
  ignore?: Iterable<number>;
  includeEos?: boolean;
  separator?: string;
}

/** How text becomes ids. */
export interface EncodeOptions {
  /** Count every word, and give unknown ones new ids instead of unk. */
  add?: boolean;
  appendEos?: boolean;
  reverse?: boolean;
  tokenize?: (line: string) => string[];
}

/**
 * The vocabulary: symbols, their counts, and ids in both directions. Semantics, order and file
 * format are fairseq 0.12's.
 */
export class Dictionary {
  readonly symbols: string[] = [];
  readonly count: number[] = [];
  readonly bosIndex: number;
  readonly padIndex: number;
  readonly eosIndex: number;
  readonly unkIndex: number;
  /** Ids below this are special: never written to a file, never reordered. */
  readonly nspecial: number;
  readonly #indices = new Map<string, number>();

  constructor(specials: SpecialSymbols = {}) {
    this.bosIndex = this.addSymbol(specials.bos ?? "<s>");
    this.padIndex = this.addSymbol(specials.pad ?? "<pad>");
    this.eosIndex = this.addSymbol(specials.eos ?? "</s>");
    this.unkIndex = this.addSymbol(specials.unk ?? "<unk>");
    for (const symbol of specials.extra ?? []) this.addSymbol(symbol);
    this.nspecial = this.symbols.length;
  }

  /**
   * Reads the text of a dictionary file.
   *
   * @param place what to call the text in errors, usually its path.
   * @throws UserError naming place and line.
   */
  static parse(text: string, place: string, specials?: SpecialSymbols): Dictionary {
    const dictionary = new Dictionary(specials);
    for (const entry of parseDictionaryText(text, place)) dictionary.#load(entry);
    return dictionary;
  }

  #load({ symbol, count, overwrite, place }: DictionaryEntry): void {
    if (this.#indices.has(symbol) && !overwrite) {
      throw new UserError({
        place,
        problem: `${JSON.stringify(symbol)} is already in the dictionary`,
        remedy: 'remove the line, or end it with " #fairseq:overwrite" to replace the earlier one',
      });
    }
    this.addSymbol(symbol, count, overwrite);
  }

  get length(): number {
    return this.symbols.length;
  }

  get unkWord(): string {
    return this.symbols[this.unkIndex] ?? "<unk>";
  }

  has(symbol: string): boolean {
    return this.#indices.has(symbol);
  }

  /** The symbol's id, or that of unk. */
  index(symbol: string): number {
    return this.#indices.get(symbol) ?? this.unkIndex;
  }

  /** The symbol of an id; unk's where there is none. */
  symbol(index: number): string {
    return this.symbols[index] ?? this.unkWord;
  }

  /** Adds `n` to a symbol's count, or appends it. `overwrite` always appends, hiding the old id. */
  addSymbol(symbol: string, n = 1, overwrite = false): number {
    const known = this.#indices.get(symbol);
    if (known !== undefined && !overwrite) {
      this.count[known] = (this.count[known] ?? 0) + n;
      return known;
    }
    const index = this.symbols.length;
    this.#indices.set(symbol, index);
    this.symbols.push(symbol);
    this.count.push(n);
    return index;
  }

  /** Adds the counts of another dictionary, specials included. */
  update(other: Dictionary): void {
    for (const symbol of other.symbols) this.addSymbol(symbol, other.count[other.index(symbol)]);
  }

  /**
   * Sorts the words by falling count, ties by code point; keeps the most frequent; pads.
   *
   * @throws UserError if a special symbol was defined twice, since its ids would then differ.
   */
  finalize({ threshold = -1, nwords = -1, paddingFactor = 8 }: VocabularyLimits = {}): void {
    const counts = new Map<string, number>();
    for (let i = this.nspecial; i < this.length; i++) {
      const symbol = this.symbol(i);
      const count = this.count[i] ?? 0;
      // A symbol that was overwritten stands here twice: the larger count wins, as in fairseq.
      counts.set(symbol, Math.max(counts.get(symbol) ?? Number.NEGATIVE_INFINITY, count));
    }
    const room = (nwords <= 0 ? this.length : nwords) - this.nspecial;
    const words = [...counts].filter(([, count]) => count >= threshold);
    words.sort(([a, m], [b, n]) => n - m || compareCodePoints(a, b));

    this.symbols.length = this.nspecial;
    this.count.length = this.nspecial;
    this.#indices.clear();
    for (const [index, symbol] of this.symbols.entries()) this.#indices.set(symbol, index);
    for (const [word, count] of words.slice(0, Math.max(0, room))) {
      if (this.#indices.has(word)) {
        throw new UserError({
          place: "dictionary",
          problem: `the special symbol ${JSON.stringify(word)} is defined again as a word`,
          remedy: "remove that word before building a vocabulary",
        });
      }
      this.addSymbol(word, count);
    }
    this.padToMultiple(paddingFactor);
  }

  /** Appends madeupword0000, madeupword0001, ... until the length is a multiple of `factor`. */
  padToMultiple(factor: number): void {
    if (factor <= 1) return;
    for (let i = 0; this.length % factor !== 0; i++) {
      this.addSymbol(`madeupword${String(i).padStart(4, "0")}`, 0);
    }
  }

  /** The text of a dictionary file: one `symbol count` per line, without the specials. */
  serialize(): string {
    const lines: string[] = [];
    for (let i = this.nspecial; i < this.length; i++)
      lines.push(`${this.symbols[i]} ${this.count[i]}\n`);
    return lines.join("");
  }

  /** Words of a line as ids, by default followed by eos. */
  encodeLine(line: string, options: EncodeOptions = {}): Int32Array {
    const { add = false, appendEos = true, reverse = false, tokenize = tokenizeLine } = options;
    const words = tokenize(line);
    if (reverse) words.reverse();
    const ids = new Int32Array(words.length + (appendEos ? 1 : 0));
    for (const [i, word] of words.entries()) ids[i] = add ? this.addSymbol(word) : this.index(word);
    if (appendEos) ids[words.length] = this.eosIndex;
    return ids;
  }

  /** Ids as text: bos and eos dropped, pad kept, pieces joined as `postProcess` says. */
  string(ids: Iterable<number>, options: StringOptions = {}): string {
    const ignore = new Set(options.ignore);
    ignore.add(this.bosIndex);
    if (!options.includeEos) ignore.add(this.eosIndex);
    const unk = options.unkString ?? (options.escapeUnk ? `<${this.unkWord}>` : this.unkWord);
    const words: string[] = [];
    for (const id of ids) {
      if (!ignore.has(id)) words.push(id === this.unkIndex ? unk : this.symbol(id));
    }
    return postProcess(words.join(options.separator ?? " "), options.postProcess);
  }

  /** True if both give every symbol the same id; counts may differ. */
  equals(other: Dictionary): boolean {
    return (
      this.#indices.size === other.#indices.size &&
      [...this.#indices].every(([symbol, index]) => other.#indices.get(symbol) === index)
    );
  }
}

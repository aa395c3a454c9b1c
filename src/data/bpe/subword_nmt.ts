import { UserError } from "../../config/user_error.ts";
import { stripEnd } from "../white_space.ts";
import { codecLines } from "./codec_lines.ts";
import { END_OF_WORD } from "./pair_statistics.ts";
import { stripSpaces, type WordCounts } from "./word_counts.ts";

/** Words whose pieces are remembered; a server meets new ones for ever. */
const CACHED_WORDS = 100_000;

export interface SubwordNmtOptions {
  /** Use only the first merges of the file. */
  merges?: number;
  /** Marks pieces that another piece of the word follows. */
  separator?: string;
  /** Pieces that may appear; others are split further where they can be. */
  vocabulary?: ReadonlySet<string>;
  /** Regular expressions of words and parts of words that are never split. */
  glossaries?: readonly string[];
}

/**
 * Cuts words into the pieces that learnBpe() found. subword-nmt's apply-bpe, and fairseq's
 * `--bpe subword_nmt`.
 */
export class SubwordNmt {
  readonly separator: string;
  readonly #version1: boolean;
  /** Merge order by "first second"; of equal lines the first counts. */
  readonly #ranks = new Map<string, number>();
  /** The pair that made a symbol. */
  readonly #parts = new Map<string, [first: string, second: string]>();
  readonly #vocabulary?: ReadonlySet<string>;
  readonly #glossaries: readonly Glossary[];
  readonly #cache = new Map<string, readonly string[]>();

  /**
   * @param codes text of a codes file, version 0.1 (no header) or 0.2.
   * @param place its path, for errors.
   * @throws UserError naming the line that is not a pair of symbols.
   */
  constructor(codes: string, place: string, options: SubwordNmtOptions = {}) {
    this.separator = options.separator ?? "@@";
    this.#vocabulary = options.vocabulary?.size ? options.vocabulary : undefined;
    this.#glossaries = (options.glossaries ?? []).map(parseGlossary);
    const { version1, pairs } = parseCodes(codes, place, options.merges);
    this.#version1 = version1;
    for (const [rank, [first, second]] of [...pairs.entries()].reverse()) {
      this.#ranks.set(`${first} ${second}`, rank);
    }
    for (const key of this.#ranks.keys()) {
      const space = key.indexOf(" ");
      const [first, second] = [key.slice(0, space), key.slice(space + 1)];
      this.#parts.set(first + second, [first, second]);
    }
  }

  /** A text in pieces, line by line, line ends kept: what `weft bpe apply` writes. */
  processText(text: string): string {
    let out = "";
    for (const line of codecLines(text)) out += this.processLine(line);
    return out;
  }

  /** A line in pieces; white space around it stays, runs of spaces inside become one. */
  processLine(line: string): string {
    const [leading = ""] = /^[\r\n ]*/.exec(line) ?? [];
    const [trailing = ""] = /[\r\n ]*$/.exec(line) ?? [];
    return leading + this.segment(line) + (trailing.length === line.length ? "" : trailing);
  }

  /** The pieces of a sentence, joined by spaces. */
  segment(sentence: string): string {
    const pieces: string[] = [];
    for (const word of stripSpaces(sentence).split(" ")) {
      if (word === "") continue;
      const parts = this.#isolateGlossaries(word).flatMap((part) => this.#encode(part));
      const last = parts.pop() ?? "";
      for (const part of parts) pieces.push(part + this.separator);
      pieces.push(last);
    }
    return pieces.join(" ");
  }

  /** Joins pieces to words again. */
  decode(text: string): string {
    return stripEnd(`${text} `.replaceAll(`${this.separator} `, ""));
  }

  #isolateGlossaries(word: string): string[] {
    let parts = [word];
    for (const glossary of this.#glossaries) {
      parts = parts.flatMap((part) => isolate(part, glossary));
    }
    return parts;
  }

  #encode(word: string): readonly string[] {
    const known = this.#cache.get(word);
    if (known) return known;
    const pieces = this.#pieces(word);
    if (this.#cache.size >= CACHED_WORDS) this.#cache.clear();
    this.#cache.set(word, pieces);
    return pieces;
  }

  #pieces(word: string): readonly string[] {
    if (this.#glossaries.some(({ whole }) => whole.test(word))) return [word];
    const symbols = [...word];
    if (symbols.length === 1) return symbols;
    if (this.#version1) symbols.push(END_OF_WORD);
    else symbols.push((symbols.pop() ?? "") + END_OF_WORD);
    const merged = this.#merge(symbols);
    const last = merged.pop() ?? "";
    if (last !== END_OF_WORD) {
      merged.push(last.endsWith(END_OF_WORD) ? last.slice(0, -END_OF_WORD.length) : last);
    }
    return this.#vocabulary ? this.#splitUnknown(merged, this.#vocabulary) : merged;
  }

  /** Applies the earliest learnt merge that fits, everywhere, until none does. */
  #merge(symbols: string[]): string[] {
    let word = symbols;
    while (word.length > 1) {
      let best = Number.POSITIVE_INFINITY;
      let first = "";
      let second = "";
      for (let i = 0; i + 1 < word.length; i++) {
        const rank = this.#ranks.get(`${word[i]} ${word[i + 1]}`);
        if (rank === undefined || rank >= best) continue;
        best = rank;
        [first = "", second = ""] = word.slice(i, i + 2);
      }
      if (best === Number.POSITIVE_INFINITY) break;
      const merged: string[] = [];
      for (let i = 0; i < word.length; i++) {
        const symbol = word[i] ?? "";
        if (symbol === first && word[i + 1] === second) {
          merged.push(first + second);
          i++;
        } else {
          merged.push(symbol);
        }
      }
      word = merged;
    }
    return word;
  }

  #splitUnknown(pieces: readonly string[], vocabulary: ReadonlySet<string>): string[] {
    const lastIndex = pieces.length - 1;
    return pieces.flatMap((piece, i) => {
      const final = i === lastIndex;
      const known = vocabulary.has(final ? piece : piece + this.separator);
      return known ? [piece] : this.#split(piece, vocabulary, final);
    });
  }

  /** Undoes merges until the parts are in the vocabulary or single characters. */
  #split(piece: string, vocabulary: ReadonlySet<string>, final: boolean): string[] {
    const parts = this.#parts.get(final ? piece + END_OF_WORD : piece);
    if (!parts) return [piece];
    const left = parts[0];
    const right = final ? parts[1].slice(0, -END_OF_WORD.length) : parts[1];
    const leftKnown = vocabulary.has(left + this.separator);
    const rightKnown = vocabulary.has(final ? right : right + this.separator);
    return [
      ...(leftKnown ? [left] : this.#split(left, vocabulary, false)),
      ...(rightKnown ? [right] : this.#split(right, vocabulary, final)),
    ];
  }
}

/** Words of a vocabulary file that are frequent enough: `--vocabulary-threshold`. */
export function frequentWords(counts: WordCounts, threshold?: number): Set<string> {
  const words = new Set<string>();
  for (const [word, count] of counts) {
    if (threshold === undefined || count >= threshold) words.add(word);
  }
  return words;
}

function parseCodes(
  codes: string,
  place: string,
  merges = Number.POSITIVE_INFINITY,
): { version1: boolean; pairs: [string, string][] } {
  const lines = codes.replace(/\n+$/, "").split("\n");
  const header = lines[0]?.startsWith("#version:") ? (lines.shift() ?? "") : undefined;
  const version =
    header
      ?.split(/\s+/)
      .filter(Boolean)
      .at(-1)
      ?.replace(/(\.0+)*$/, "") ?? "0.1";
  if (version !== "0.1" && version !== "0.2") {
    throw new UserError({
      place: `${place}:1`,
      problem: `version ${version} is neither 0.1 nor 0.2`,
      remedy: "learn the codes again with weft bpe learn",
    });
  }
  const firstLine = header === undefined ? 1 : 2;
  const pairs = lines.slice(0, merges).map((line, i): [string, string] => {
    const [first, second, ...rest] = stripSpaces(line).split(" ");
    if (first !== undefined && second !== undefined && rest.length === 0) return [first, second];
    throw new UserError({
      place: `${place}:${i + firstLine}`,
      problem: `${JSON.stringify(line)} is not a pair of symbols`,
      remedy: "give a codes file as weft bpe learn or subword-nmt learn-bpe writes it",
    });
  });
  return { version1: version === "0.1", pairs };
}

interface Glossary {
  whole: RegExp;
  part: RegExp;
}

function parseGlossary(pattern: string): Glossary {
  try {
    return { whole: new RegExp(`^(?:${pattern})$`, "u"), part: new RegExp(`(${pattern})`, "u") };
  } catch (cause) {
    throw new UserError({
      place: "--glossaries",
      problem: `${JSON.stringify(pattern)} is not a regular expression (${(cause as Error).message})`,
      remedy: "put a backslash before characters that are meant as they stand",
    });
  }
}

/** "1934USABUSA" with glossary USA: 1934, USA, B, USA. */
function isolate(word: string, { whole, part }: Glossary): string[] {
  if (whole.test(word) || !part.test(word)) return [word];
  return word.split(part).filter((piece) => piece !== undefined && piece !== "");
}

// What a preprocessing worker does with a range of lines: count words, or turn them into ids. Pure
// functions of the range, so the result does not depend on how many workers there are.
import { ByteVocabulary } from "./byte_vocabulary.ts";
import { type LineRange, readRange } from "./line_ranges.ts";
import { scanTokens } from "./token_scanner.ts";

export interface WordCounts {
  words: string[];
  counts: Float64Array;
  lines: number;
}

export interface EncodedLines {
  /** Ids in the machine's (little-endian) order, a line after another, each with its eos. */
  elements: Uint8Array;
  /** Ids per line. */
  sizes: Int32Array;
  /** Words that became unk. */
  replaced: number;
}

export interface EncodeSettings {
  /** Symbols by id. */
  symbols: readonly string[];
  eos: number;
  unk: number;
  /** Size of an element. */
  bytes: 2 | 4;
}

/** @throws UserError naming the line that is not UTF-8. */
export function countWords(range: LineRange): WordCounts {
  const bytes = readRange(range);
  const vocabulary = new ByteVocabulary();
  let counts = new Float64Array(1 << 12);
  let lines = 0;
  scanTokens(bytes, {
    token(start, end, hash) {
      const word = vocabulary.add(bytes, start, end, hash);
      if (word >= counts.length) {
        const grown = new Float64Array(2 * counts.length);
        grown.set(counts);
        counts = grown;
      }
      counts[word] = (counts[word] ?? 0) + 1;
    },
    line() {
      lines++;
    },
  });
  return { words: vocabulary.words(), counts: counts.slice(0, vocabulary.length), lines };
}

/** Prepares the encoding of many ranges with one vocabulary. */
export function lineEncoder(settings: EncodeSettings): (range: LineRange) => EncodedLines {
  const { eos, unk } = settings;
  const { vocabulary, places: ids } = ByteVocabulary.of(settings.symbols);
  const Elements = settings.bytes === 2 ? Uint16Array : Uint32Array;
  return (range) => {
    const bytes = readRange(range);
    // A word and a line end each take a byte at least; only the last line may lack its end.
    const elements = new Elements(bytes.length + 1);
    const sizes = new Int32Array(bytes.length + 1);
    let used = 0;
    let lineStart = 0;
    let lines = 0;
    let replaced = 0;
    scanTokens(bytes, {
      token(start, end, hash) {
        const word = vocabulary.find(bytes, start, end, hash);
        if (word < 0) replaced++;
        elements[used++] = word < 0 ? unk : (ids[word] ?? unk);
      },
      line() {
        elements[used++] = eos;
        sizes[lines++] = used - lineStart;
        lineStart = used;
      },
    });
    return {
      elements: new Uint8Array(elements.slice(0, used).buffer),
      sizes: sizes.slice(0, lines),
      replaced,
    };
  };
}

import { UserError } from "../config/user_error.ts";

/** Sequences of token ids, by index. What the indexed file formats, raw text and wrappers offer. */
export interface TokenDataset {
  readonly length: number;
  /** Tokens per sequence, end-of-sentence included. */
  readonly sizes: Int32Array;
  /** A copy, or a view nobody writes to. */
  get(index: number): Int32Array;
  /** The text of each sequence, where it was read from text. */
  readonly lines?: readonly string[];
}

/** A dataset that lives in memory. */
export function tokenList(sequences: readonly ArrayLike<number>[]): TokenDataset {
  const items = sequences.map((sequence) => Int32Array.from(sequence));
  return {
    length: items.length,
    sizes: Int32Array.from(items, (item) => item.length),
    get: (index) => itemAt(items, index),
  };
}

/** The sequences of `dataset`, each passed through `change`; `size` says how long it becomes. */
export function mapTokens(
  dataset: TokenDataset,
  size: (size: number, index: number) => number,
  change: (tokens: Int32Array, index: number) => Int32Array,
): TokenDataset {
  return {
    length: dataset.length,
    sizes: dataset.sizes.map(size),
    get: (index) => change(dataset.get(index), index),
  };
}

/** Cuts sequences to `limit` tokens and gives those that were cut `eos` as their last. */
export function truncateTokens(dataset: TokenDataset, limit: number, eos: number): TokenDataset {
  return mapTokens(
    dataset,
    (size) => Math.min(size, limit),
    (tokens) => {
      if (tokens.length <= limit) return tokens;
      const cut = tokens.slice(0, limit);
      cut[limit - 1] = eos;
      return cut;
    },
  );
}

/** Puts one token in front of every sequence. */
export function prependToken(dataset: TokenDataset, token: number): TokenDataset {
  return mapTokens(
    dataset,
    (size) => size + 1,
    (tokens) => Int32Array.of(token, ...tokens),
  );
}

/** Puts one token behind every sequence. */
export function appendToken(dataset: TokenDataset, token: number): TokenDataset {
  return mapTokens(
    dataset,
    (size) => size + 1,
    (tokens) => Int32Array.of(...tokens, token),
  );
}

/**
 * The same sequences; one with an id outside the vocabulary is an error when it is read, where it
 * would otherwise be looked up beyond the embedding's end.
 *
 * @param place the dataset's path.
 */
export function checkIds(dataset: TokenDataset, vocabulary: number, place: string): TokenDataset {
  return {
    length: dataset.length,
    sizes: dataset.sizes,
    lines: dataset.lines,
    get(index) {
      const tokens = dataset.get(index);
      const wrong = tokens.find((token) => token < 0 || token >= vocabulary);
      if (wrong === undefined) return tokens;
      throw new UserError({
        place: `${place}, sentence ${index}`,
        problem: `id ${wrong} is not in the dictionary of ${vocabulary} symbols`,
        remedy: "use the dictionary the data was binarised with, or binarise it again",
      });
    },
  };
}

/** Datasets one after another; the i-th is repeated `repeats[i]` times (once where not given). */
export function concatTokens(
  datasets: readonly TokenDataset[],
  repeats: readonly number[] = [],
): TokenDataset {
  const parts = datasets.flatMap((dataset, i) =>
    Array.from({ length: repeats[i] ?? 1 }, () => dataset),
  );
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const sizes = new Int32Array(length);
  const starts: number[] = [];
  let start = 0;
  for (const part of parts) {
    sizes.set(part.sizes, start);
    starts.push(start);
    start += part.length;
  }
  return {
    length,
    sizes,
    get(index) {
      // Few parts: the last one that starts at or before the index.
      let part = parts.length - 1;
      while (part > 0 && index < (starts[part] ?? 0)) part--;
      return itemPart(parts, part).get(index - (starts[part] ?? 0));
    },
  };
}

function itemPart(parts: readonly TokenDataset[], index: number): TokenDataset {
  const part = parts[index];
  if (part === undefined) throw new RangeError(`no dataset ${index} of ${parts.length}`);
  return part;
}

function itemAt(items: readonly Int32Array[], index: number): Int32Array {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no sequence ${index} of ${items.length}`);
  return item;
}

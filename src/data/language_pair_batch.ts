import { type BatchAlignments, collateAlignments } from "./collate_alignments.ts";
import { collateTokens, type TokenMatrix } from "./collate_tokens.ts";

/** One sentence pair, as the dataset gives it. */
export interface LanguagePairItem {
  id: number;
  /** Ends with eos. */
  source: Int32Array;
  target?: Int32Array;
  /** Decoder input, where it is not simply the target shifted right. */
  prevOutputTokens?: Int32Array;
  /** Pairs (source, target) of positions, flat. */
  alignment?: Int32Array;
}

/** Sentence pairs as the model takes them: B rows, S source and T target columns. */
export interface LanguagePairBatch {
  /** Indices of the sentences in the dataset, in row order: longest source first. */
  ids: Int32Array;
  nsentences: number;
  /** The token that fills up rows. */
  pad: number;
  /** Target tokens that are not padding (source tokens, if there is no target). */
  ntokens: number;
  /** (B, S) */
  srcTokens: TokenMatrix;
  /** (B), without padding. */
  srcLengths: Int32Array;
  /** (B, T): the target shifted right, eos first. */
  prevOutputTokens?: TokenMatrix;
  /** (B, T) */
  target?: TokenMatrix;
  alignments?: BatchAlignments;
}

export interface CollateOptions {
  pad: number;
  /** First token of every row of prevOutputTokens. */
  eos: number;
  leftPadSource?: boolean;
  leftPadTarget?: boolean;
  /** Whether the decoder is fed the target (prevOutputTokens). */
  inputFeeding?: boolean;
  /** Widths are multiples of this (`--required-seq-len-multiple`). */
  padToMultiple?: number;
  /** Least widths. */
  padToLength?: { source: number; target: number };
}

/**
 * Makes a batch of sentence pairs: rows by falling source length, equal ones in the given order.
 *
 * @returns undefined for no items.
 */
export function collateLanguagePairs(
  items: readonly LanguagePairItem[],
  options: CollateOptions,
): LanguagePairBatch | undefined {
  if (items.length === 0) return undefined;
  const { pad, eos, leftPadSource = true, leftPadTarget = false } = options;
  const { inputFeeding = true, padToMultiple, padToLength } = options;
  const rows = items
    .map((item) => ({ ...item, srcLength: countTokens(item.source, pad) }))
    .sort((a, b) => b.srcLength - a.srcLength);

  const srcTokens = collateTokens(
    rows.map((row) => row.source),
    { pad, leftPad: leftPadSource, padToLength: padToLength?.source, padToMultiple },
  );
  const srcLengths = Int32Array.from(rows, (row) => row.srcLength);
  const batch: LanguagePairBatch = {
    ids: Int32Array.from(rows, (row) => row.id),
    nsentences: rows.length,
    pad,
    ntokens: sum(srcLengths),
    srcTokens,
    srcLengths,
  };

  const targets = present(rows.map((row) => row.target));
  if (!targets) return batch;
  const layout = { pad, leftPad: leftPadTarget, padToMultiple, padToLength: padToLength?.target };
  const target = collateTokens(targets, layout);
  const tgtLengths = Int32Array.from(targets, (tokens) => countTokens(tokens, pad));
  batch.target = target;
  batch.ntokens = sum(tgtLengths);

  const given = present(rows.map((row) => row.prevOutputTokens));
  if (given) {
    batch.prevOutputTokens = collateTokens(given, { pad, leftPad: leftPadTarget, padToMultiple });
  } else if (inputFeeding) {
    batch.prevOutputTokens = collateTokens(targets, { ...layout, moveEosToBeginning: true, eos });
  }

  const alignments = present(rows.map((row) => row.alignment));
  if (alignments) {
    const aligned = alignments.map((alignment, i) => ({
      alignment,
      srcLength: srcLengths[i] ?? 0,
      tgtLength: tgtLengths[i] ?? 0,
    }));
    const widths = { srcWidth: srcTokens.shape[1], tgtWidth: target.shape[1] };
    batch.alignments = collateAlignments(aligned, {
      ...widths,
      leftPadSource,
      leftPadTarget,
    }).alignments;
  }
  return batch;
}

function countTokens(tokens: Int32Array, pad: number): number {
  let count = 0;
  for (const token of tokens) if (token !== pad) count++;
  return count;
}

const sum = (values: Int32Array): number => values.reduce((total, value) => total + value, 0);

/** The values, if every row has one. */
function present(values: readonly (Int32Array | undefined)[]): Int32Array[] | undefined {
  const found = values.filter((value) => value !== undefined);
  return found.length === values.length ? found : undefined;
}

import { UserError } from "../config/user_error.ts";

/** What bounds a batch; a limit of 0 or undefined is none. */
export interface BatchLimits {
  /** Largest rows x longest row, in tokens. */
  maxTokens?: number;
  /** Most rows. */
  maxSentences?: number;
  /** Rows are a multiple of this, or fewer than it, where the other limits allow. */
  requiredBatchSizeMultiple?: number;
}

/**
 * Cuts a list of sentences, in its order, into batches.
 *
 * A batch is closed when the next sentence would break a limit. Sentences beyond the last multiple
 * of requiredBatchSizeMultiple ("tail") then move to the next batch, unless they alone would
 * break the token limit.
 *
 * @param indices sentences in the wanted order, usually sorted by length.
 * @param numTokens length of a sentence, in tokens.
 * @returns views into `indices`.
 * @throws UserError for a sentence longer than maxTokens.
 *
 * Source: batch_by_size_vec in fairseq 0.12's data_utils_fast.pyx.
 */
export function batchBySize(
  indices: Int32Array,
  numTokens: (index: number) => number,
  limits: BatchLimits,
): Int32Array[] {
  const maxTokens = Math.trunc(limits.maxTokens ?? 0);
  const maxSentences = limits.maxSentences ?? 0;
  const multiple = limits.requiredBatchSizeMultiple ?? 1;
  const batches: Int32Array[] = [];
  const emit = (from: number, to: number) => {
    if (to > from) batches.push(indices.subarray(from, to));
  };
  // The batch being built is [start, tail) plus the tail [tail, pos].
  let start = 0;
  let tail = 0;
  let longest = 0;
  let longestOfTail = 0;
  for (const [pos, index] of indices.entries()) {
    const length = numTokens(index);
    if (maxTokens > 0 && length > maxTokens) throw tooLong(index, length, maxTokens);
    longestOfTail = Math.max(longestOfTail, length);
    const rows = pos + 1 - start;
    const width = Math.max(longest, longestOfTail);
    const overflows =
      (maxSentences > 0 && rows > maxSentences) || (maxTokens > 0 && rows * width > maxTokens);
    if (overflows) {
      if (maxTokens > 0 && longestOfTail * (pos + 1 - tail) > maxTokens) {
        emit(start, tail);
        start = tail;
        tail = pos;
        longestOfTail = length;
      }
      emit(start, tail);
      start = tail;
      tail = pos + 1;
      longest = longestOfTail;
      longestOfTail = 0;
    } else if (rows < multiple || rows % multiple === 0) {
      tail = pos + 1;
      longest = width;
      longestOfTail = 0;
    }
  }
  emit(start, tail);
  emit(tail, indices.length);
  return batches;
}

function tooLong(index: number, length: number, maxTokens: number): UserError {
  return new UserError({
    place: `sentence ${index}`,
    problem: `it has ${length} tokens, --max-tokens is ${maxTokens}`,
    remedy: "raise --max-tokens, or choose --on-too-long truncate or skip",
  });
}

import { isDamaged } from "./no_number.ts";
import type { CandidateRequest, RowCandidates, TokenRules } from "./step_decoder.ts";
import { TopK } from "./top_k.ts";

const FORBIDDEN = Number.NEGATIVE_INFINITY;

/**
 * Applies a step's rules to (rows, V) log-probabilities in place. In this order: tokens banned
 * everywhere, the penalty, the only token allowed, then per row either its forced token or its bans.
 */
export function applyRules(
  logProbs: Float32Array,
  rows: number,
  vocabulary: number,
  rules: TokenRules,
): void {
  const { banned, only, penalised, penalty, forced, rowBans } = rules;
  for (let row = 0; row < rows; row++) {
    const start = row * vocabulary;
    for (const token of banned) logProbs[start + token] = FORBIDDEN;
    if (penalty !== 0) logProbs[start + penalised] -= Math.fround(penalty);
    if (only !== undefined) keepOnly(logProbs, start, vocabulary, only);
    const prefix = forced === undefined ? -1 : forced[row];
    if (prefix >= 0) {
      keepOnly(logProbs, start, vocabulary, prefix);
      continue;
    }
    if (rowBans === undefined) continue;
    for (let i = rowBans.offsets[row]; i < rowBans.offsets[row + 1]; i++) {
      logProbs[start + rowBans.tokens[i]] = FORBIDDEN;
    }
  }
}

/**
 * The rules that are the same for all rows as (V) numbers to add to log-probabilities: what `applyRules` does
 * with them, for a decoder that chooses candidates where the numbers lie.
 */
export function writeBias(
  bias: Float32Array,
  { banned, only, penalised, penalty }: TokenRules,
): void {
  bias.fill(only === undefined ? 0 : FORBIDDEN);
  if (only !== undefined) bias[only] = 0;
  if (penalty !== 0) bias[penalised] -= Math.fround(penalty);
  for (const token of banned) bias[token] = FORBIDDEN;
}

function keepOnly(logProbs: Float32Array, start: number, vocabulary: number, token: number): void {
  const kept = logProbs[start + token];
  logProbs.fill(FORBIDDEN, start, start + vocabulary);
  logProbs[start + token] = kept;
}

/**
 * What `DecoderState.candidates` must return, computed from whole rows (which it overwrites). All
 * scores of a row with a NaN are NaN: rules must not hide it.
 */
export function rowCandidates(
  logProbs: Float32Array,
  rows: number,
  vocabulary: number,
  { count, scores, rules }: CandidateRequest,
): RowCandidates {
  const damaged = Array.from({ length: rows }, (_, row) =>
    isDamaged(logProbs, row * vocabulary, (row + 1) * vocabulary),
  );
  applyRules(logProbs, rows, vocabulary, rules);
  const best = new TopK(count);
  const result = {
    scores: new Float32Array(rows * count).fill(FORBIDDEN),
    tokens: new Int32Array(rows * count),
  };
  for (let row = 0; row < rows; row++) {
    if (damaged[row]) {
      result.scores.fill(Number.NaN, row * count, (row + 1) * count);
      continue;
    }
    best.reset();
    best.scan(logProbs, row * vocabulary, (row + 1) * vocabulary, scores[row], 0);
    result.scores.set(best.scores.subarray(0, best.size), row * count);
    result.tokens.set(best.indices.subarray(0, best.size), row * count);
  }
  return result;
}

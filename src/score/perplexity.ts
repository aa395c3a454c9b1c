import { formatFixed } from "./python_format.ts";

/**
 * Perplexity of a mean loss: base^loss, rounded to `digits` decimals as fairseq prints it; Infinity where
 * that is no number any more.
 *
 * @param loss per token, in logarithms of `base` (2 unless said otherwise).
 */
export function perplexity(loss: number, { base = 2, digits = 2 } = {}): number {
  const value = base ** loss;
  return Number.isFinite(value) ? Number(formatFixed(value, digits)) : Number.POSITIVE_INFINITY;
}

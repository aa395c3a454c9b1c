/**
 * Appends to `out` the tokens that would complete an n-gram which the sequence already holds:
 * tokens[i + n - 1] wherever tokens[i .. i+n-2] equals the last n - 1 tokens. The start token is part
 * of the sequence. n = 1 bans nothing, as in fairseq.
 *
 * @param tokens a row's tokens from the start token on; only the first `length` count.
 */
export function repeatedNgramEnds(
  tokens: Int32Array,
  length: number,
  n: number,
  out: number[],
): void {
  if (n < 2) return;
  const context = length - (n - 1);
  for (let start = 0; start < context; start++) {
    let i = 0;
    while (i < n - 1 && tokens[start + i] === tokens[context + i]) i++;
    if (i === n - 1) out.push(tokens[start + n - 1]);
  }
}

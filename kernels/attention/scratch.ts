// How much scratch the cpu kernels want, in bytes: the layouts stand at the top of each kernel. Those that
// call the BLAS want mask | scores | [their gradient] | margin | multipliers.

const roundUp8 = (n: number): number => Math.ceil(n / 8) * 8;

/** A 5x8 tile, alignment gaps, and the blocks of 32 that Philox writes beyond a row. */
const SLACK = 1024;
/** Bytes that P and dS of one pass may take: they stay in the second-level cache. */
const PASS_BYTES = 2 ** 21;

/** Bytes of a packed group of five rows over `steps`. */
const packed = (steps: number): number => steps * 80;

/** Query rows whose probabilities are held at a time, where they are: a multiple of 5. */
export function passRows(T: number, S: number): number {
  const fit = Math.floor(PASS_BYTES / (8 * Math.max(roundUp8(S), 8)));
  return Math.max(5, Math.floor(Math.min(Math.ceil(T / 5) * 5, fit) / 5) * 5);
}

export function forwardScratch(S: number, D: number): number {
  const S8 = roundUp8(S);
  const floats = S8 * D + 7 * S8 + S * roundUp8(D);
  return 4 * floats + packed(Math.max(S8, D)) + SLACK;
}

export function backwardScratch(T: number, S: number, D: number): number {
  const S8 = roundUp8(S);
  const pass = passRows(T, S);
  const floats = 2 * S8 * D + 2 * S8 + 2 * pass * S8 + (S + 2 * pass) * roundUp8(D);
  return 4 * floats + packed(Math.max(S8, D, pass)) + SLACK;
}

/** @param blocks of scores at a time: probabilities, and in the gradient what comes of them. */
export function productsScratch(T: number, S: number, blocks: 1 | 2): number {
  const S8 = roundUp8(S);
  return 4 * (2 * S8 + blocks * passRows(T, S) * S8) + SLACK;
}

/** @param widest most positions of a source, a multiple of 8. */
export const sourceScratch = (widest: number, D: number): number =>
  4 * (6 * widest + widest * roundUp8(D)) + packed(Math.max(widest, D)) + SLACK;

export const cachedScratch = (L: number, heads: number): number =>
  4 * (heads + 2) * roundUp8(L) + SLACK;

// Philox 4x32-10 (Salmon et al. 2011) on the host: the same integers as the kernels.

/** High 32 bits of the unsigned product of two words. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  // No sum exceeds 32 bits, so that all of it stays whole numbers for the compiler.
  const middle = Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16);
  const cross = Math.imul(aLow, bHigh) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (cross >>> 16)) | 0;
}

/** Writes the four output words of one counter: for millions of them, since it leaves no garbage. */
export function philoxInto(
  words: Uint32Array,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  firstKey: number,
  secondKey: number,
): void {
  let c0 = counter0 | 0;
  let c1 = counter1 | 0;
  let c2 = counter2 | 0;
  let c3 = counter3 | 0;
  let key0 = firstKey | 0;
  let key1 = secondKey | 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(c0, 0xd2511f53);
    const low0 = Math.imul(c0, 0xd2511f53);
    const high1 = multiplyHigh(c2, 0xcd9e8d57);
    const low1 = Math.imul(c2, 0xcd9e8d57);
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 = (key0 + 0x9e3779b9) | 0;
    key1 = (key1 + 0xbb67ae85) | 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/** The four output words of one counter, as unsigned numbers. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  const words = new Uint32Array(4);
  philoxInto(words, ...counter, ...key);
  return [words[0], words[1], words[2], words[3]];
}

/** Key of a random op: the i32 tensor [seed, update, microBatch, 0] and the op's static stream. */
export interface RandomKey {
  readonly seed: number;
  readonly update: number;
  readonly microBatch: number;
  readonly stream: number;
}

/** The 16 random bits that belong to an element of a random op. */
export function philoxHalf(
  element: number,
  { seed, update, microBatch, stream }: RandomKey,
): number {
  const words = philox([element >>> 3, update, microBatch, 0], [seed, stream]);
  return (words[(element >>> 1) & 3] >>> (16 * (element & 1))) & 0xffff;
}

/** How elements are dropped: those whose 16 bits are below `threshold`; `scale` multiplies the others. */
export interface DropoutOdds {
  readonly threshold: number;
  readonly scale: number;
}

/** p rounded to a 65536th, which is off by 8e-6 at most; the mean is kept for that one. */
export function dropoutOdds(p: number): DropoutOdds {
  const threshold = Math.min(2 ** 16 - 1, Math.round(p * 2 ** 16));
  return { threshold, scale: 2 ** 16 / (2 ** 16 - threshold) };
}

/** Multiplier of an element under dropout: 0 or the scale, by dropoutOdds(). */
export function dropoutMultiplier(element: number, p: number, key: RandomKey): number {
  const { threshold, scale } = dropoutOdds(p);
  return philoxHalf(element, key) >= threshold ? scale : 0;
}

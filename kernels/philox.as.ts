// Philox 4x32-10 (Salmon et al. 2011): the counter-based random bits of every device.
//
// key = (seed, stream), counter = (element >> 3, update, microBatch, 0); element i of an op takes
// 16 bits: of output word (i >> 1) & 3 the lower half if i is even, else the upper. No state: any thread
// can start anywhere and gets the same bits.
// Memory: multipliers are written in element order, whole blocks of 32 elements (4 counters).
// Work: four counters in the lanes of a vector, two vectors in flight, transposed at the end.
// Cost: two vectors and the shared half of the first rounds take 0.7 of the time of one and all in full.

export const MULTIPLIER_0: u32 = 0xd2511f53;
export const MULTIPLIER_1: u32 = 0xcd9e8d57;
export const STEP_0: u32 = 0x9e3779b9;
export const STEP_1: u32 = 0xbb67ae85;

/** High words of the 64-bit products that `low` (lanes 0, 1) and `high` (lanes 2, 3) hold. */
@inline
export function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 1, 3, 5, 7);
}

@inline
export function lowWords(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

/** Multipliers of the 8 elements that one counter's words are for. */
@inline
function storeEight(out: usize, words: v128, limit: v128, kept: v128): void {
  const keeps = i16x8.ge_u(words, limit);
  v128.store(out, v128.and(i32x4.extend_low_i16x8_s(keeps), kept));
  v128.store(out, v128.and(i32x4.extend_high_i16x8_s(keeps), kept), 16);
}

/** Multipliers of 32 elements whose words lie by counter in the lanes of c0 to c3. */
@inline
function storeBlock(
  out: usize, c0: v128, c1: v128, c2: v128, c3: v128, limit: v128, kept: v128,
): void {
  const low01 = v128.shuffle<i32>(c0, c1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(c2, c3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(c0, c1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(c2, c3, 2, 6, 3, 7);
  storeEight(out, v128.shuffle<i64>(low01, low23, 0, 2), limit, kept);
  storeEight(out + 32, v128.shuffle<i64>(low01, low23, 1, 3), limit, kept);
  storeEight(out + 64, v128.shuffle<i64>(high01, high23, 0, 2), limit, kept);
  storeEight(out + 96, v128.shuffle<i64>(high01, high23, 1, 3), limit, kept);
}

/**
 * Writes the dropout multipliers of elements [start, start + count) to `out`: 0 where the element's
 * 16 bits are below `threshold` (it is dropped), `scale` elsewhere. `start` may be any element. Whole
 * blocks of 32 are written: the 31 floats before `out` and the 31 behind its end must be the caller's
 * own.
 *
 * @param key address of the i32 tensor [seed, update, microBatch, 0].
 * @param threshold of 65536, and scale: from dropoutOdds() in kernels/random/philox.ts.
 */
export function dropoutMultipliers(
  out: usize, start: i32, count: i32, key: usize, stream: i32, threshold: i32, scale: f32,
): void {
  const seed = load<u32>(key);
  const update = load<u32>(key, 4);
  const microBatch = load<u32>(key, 8);
  const limit = i16x8.splat(<i16>threshold);
  const kept = f32x4.splat(scale);
  const m0 = i32x4.splat(MULTIPLIER_0);
  const m1 = i32x4.splat(MULTIPLIER_1);
  const step0 = i32x4.splat(STEP_0);
  const step1 = i32x4.splat(STEP_1);
  // Only the first counter word differs between elements, so half of the first two rounds is the
  // same for all: round 1's second product here, round 2's first product below.
  const product1 = <u64>microBatch * MULTIPLIER_1;
  const second0 = <u32>(product1 >> 32) ^ update ^ seed;
  const product0 = <u64>second0 * MULTIPLIER_0;
  const firstKey1 = i32x4.splat(stream);
  const mask0 = i32x4.splat(<u32>product1 ^ (seed + STEP_0));
  const mask2 = i32x4.splat(<u32>(product0 >> 32) ^ (<u32>stream + STEP_1));
  const third3 = i32x4.splat(<u32>product0);
  const thirdKey0 = i32x4.splat(seed + STEP_0 + STEP_0);
  const thirdKey1 = i32x4.splat(<u32>stream + STEP_1 + STEP_1);

  const last = start + count;
  for (let block = start >>> 5; block << 5 < last; block += 2) {
    const counters = i32x4.add(i32x4.splat(block << 2), i32x4(0, 1, 2, 3));
    let low = i64x2.extmul_low_i32x4_u(counters, m0);
    let high = i64x2.extmul_high_i32x4_u(counters, m0);
    let a2 = v128.xor(highWords(low, high), firstKey1);
    let a3 = lowWords(low, high);
    const following = i32x4.add(counters, i32x4.splat(4));
    low = i64x2.extmul_low_i32x4_u(following, m0);
    high = i64x2.extmul_high_i32x4_u(following, m0);
    let b2 = v128.xor(highWords(low, high), firstKey1);
    let b3 = lowWords(low, high);

    low = i64x2.extmul_low_i32x4_u(a2, m1);
    high = i64x2.extmul_high_i32x4_u(a2, m1);
    let a0 = v128.xor(highWords(low, high), mask0);
    let a1 = lowWords(low, high);
    a2 = v128.xor(a3, mask2);
    a3 = third3;
    low = i64x2.extmul_low_i32x4_u(b2, m1);
    high = i64x2.extmul_high_i32x4_u(b2, m1);
    let b0 = v128.xor(highWords(low, high), mask0);
    let b1 = lowWords(low, high);
    b2 = v128.xor(b3, mask2);
    b3 = third3;

    let key0 = thirdKey0;
    let key1 = thirdKey1;
    for (let round = 2; round < 10; round++) {
      const a0Low = i64x2.extmul_low_i32x4_u(a0, m0);
      const a0High = i64x2.extmul_high_i32x4_u(a0, m0);
      const a2Low = i64x2.extmul_low_i32x4_u(a2, m1);
      const a2High = i64x2.extmul_high_i32x4_u(a2, m1);
      a0 = v128.xor(v128.xor(highWords(a2Low, a2High), a1), key0);
      a1 = lowWords(a2Low, a2High);
      a2 = v128.xor(v128.xor(highWords(a0Low, a0High), a3), key1);
      a3 = lowWords(a0Low, a0High);
      const b0Low = i64x2.extmul_low_i32x4_u(b0, m0);
      const b0High = i64x2.extmul_high_i32x4_u(b0, m0);
      const b2Low = i64x2.extmul_low_i32x4_u(b2, m1);
      const b2High = i64x2.extmul_high_i32x4_u(b2, m1);
      b0 = v128.xor(v128.xor(highWords(b2Low, b2High), b1), key0);
      b1 = lowWords(b2Low, b2High);
      b2 = v128.xor(v128.xor(highWords(b0Low, b0High), b3), key1);
      b3 = lowWords(b0Low, b0High);
      key0 = i32x4.add(key0, step0);
      key1 = i32x4.add(key1, step1);
    }
    const at = out + (<isize>((block << 5) - start) << 2);
    storeBlock(at, a0, a1, a2, a3, limit, kept);
    if ((block + 1) << 5 < last) storeBlock(at + 128, b0, b1, b2, b3, limit, kept);
  }
}

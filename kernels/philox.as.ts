// Philox 4x32-10 (Salmon et al. 2011): the counter-based random bits of every device.
//
// key = (seed, stream), counter = (element >> 2, update, microBatch, 0); element i of an op takes
// output word i & 3. No state: any thread can start anywhere and gets the same bits.
// Memory: 16 words per call, written in element order.
// Work: four counters at a time, one per lane, transposed at the end.

/**
 * Random words of elements 16 * block to 16 * block + 15, written to `out` (64 bytes).
 */
export function philox16(
  out: usize,
  block: i32,
  seed: i32,
  stream: i32,
  update: i32,
  microBatch: i32,
): void {
  const m0 = i32x4.splat(0xd2511f53);
  const m1 = i32x4.splat(0xcd9e8d57);
  const step0 = i32x4.splat(0x9e3779b9);
  const step1 = i32x4.splat(0xbb67ae85);
  let key0 = i32x4.splat(seed);
  let key1 = i32x4.splat(stream);
  let c0 = i32x4.add(i32x4.splat(block << 2), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(update);
  let c2 = i32x4.splat(microBatch);
  let c3 = i32x4.splat(0);
  for (let round = 0; round < 10; round++) {
    // 64-bit products, two per vector: low words in the even lanes, high words in the odd.
    const a = i64x2.extmul_low_i32x4_u(c0, m0);
    const b = i64x2.extmul_high_i32x4_u(c0, m0);
    const c = i64x2.extmul_low_i32x4_u(c2, m1);
    const d = i64x2.extmul_high_i32x4_u(c2, m1);
    c0 = v128.xor(v128.xor(v128.shuffle<i32>(c, d, 1, 3, 5, 7), c1), key0);
    c2 = v128.xor(v128.xor(v128.shuffle<i32>(a, b, 1, 3, 5, 7), c3), key1);
    c1 = v128.shuffle<i32>(c, d, 0, 2, 4, 6);
    c3 = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    key0 = i32x4.add(key0, step0);
    key1 = i32x4.add(key1, step1);
  }
  // Lane j holds words of counter j: transpose to (counter, word).
  const low01 = v128.shuffle<i32>(c0, c1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(c2, c3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(c0, c1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(c2, c3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(out, v128.shuffle<i64>(low01, low23, 1, 3), 16);
  v128.store(out, v128.shuffle<i64>(high01, high23, 0, 2), 32);
  v128.store(out, v128.shuffle<i64>(high01, high23, 1, 3), 48);
}

/**
 * Writes the dropout multipliers of elements [start, start + count) to `out`: 0 where the element's
 * word is below `threshold` (it is dropped), `scale` = 1 / (1 - p) elsewhere. `start` may be any
 * element. Whole blocks of 16 are written: the 15 floats before `out` and the 15 behind its end
 * must be the caller's own.
 *
 * @param key address of the i32 tensor [seed, update, microBatch, 0].
 * @param threshold floor(p 2^32), from dropThreshold() in kernels/random/philox.ts.
 */
export function dropoutMultipliers(
  out: usize,
  start: i32,
  count: i32,
  key: usize,
  stream: i32,
  threshold: i32,
  scale: f32,
): void {
  const seed = load<i32>(key);
  const update = load<i32>(key, 4);
  const microBatch = load<i32>(key, 8);
  const limit = i32x4.splat(threshold);
  const kept = f32x4.splat(scale);
  const last = start + count;
  for (let block = start >>> 4; (block << 4) < last; block++) {
    const at = out + (<isize>((block << 4) - start) << 2);
    philox16(at, block, seed, stream, update, microBatch);
    for (let i: usize = 0; i < 64; i += 16) {
      v128.store(at + i, v128.and(i32x4.ge_u(v128.load(at + i), limit), kept));
    }
  }
}

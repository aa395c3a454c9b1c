// Rows of floats as 8-bit integers with one scale each, and the rows of quantised tables back as floats.
import { loadTail } from "../simd_math.as";

/** Bytes of a row of `K` activations: 16-bit integers, padded with zeros to a multiple of 32. */
@inline
export function activationBytes(K: i32): usize {
  return <usize>((K + 31) & ~31) << 1;
}

/** Largest |x| of K floats; NaN if there is one. */
@inline
function largest(x: usize, K: i32): f32 {
  const whole = x + (<usize>(K & ~3) << 2);
  let m = f32x4.abs(loadTail(whole, K & 3, 0));
  for (; x < whole; x += 16) m = f32x4.max(m, f32x4.abs(v128.load(x)));
  const pairs = f32x4.max(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Four floats to the nearest integers, ties to even. */
@inline
function rounded(x: v128, factor: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, factor)));
}

/**
 * scale = max |x| / 127, q = round(x / scale), row by row: a row knows nothing of its neighbours.
 *
 * Memory: reads x (M, K); overwrites q (M, K padded to 32) with 16-bit integers in [-127, 127] and scale (M).
 * A row of zeros has scale 0; one with a NaN has scale NaN.
 */
export function quantise_rows(x: usize, q: usize, scale: usize, M: i32, K: i32): void {
  const step = activationBytes(K);
  for (let m = 0; m < M; m++) {
    const top = largest(x, K);
    store<f32>(scale, top / 127);
    const factor = f32x4.splat(top > 0 ? 127 / top : 0);
    const end = q + step;
    let k = 0, to = q, from = x;
    for (; k + 8 <= K; k += 8) {
      const low = rounded(v128.load(from), factor), high = rounded(v128.load(from, 16), factor);
      v128.store(to, i16x8.narrow_i32x4_s(low, high));
      from += 32;
      to += 16;
    }
    if (k < K) {
      const tail = K - k;
      const low = tail >= 4 ? v128.load(from) : loadTail(from, tail, 0);
      const high = tail > 4 ? loadTail(from + 16, tail - 4, 0) : f32x4.splat(0);
      v128.store(to, i16x8.narrow_i32x4_s(rounded(low, factor), rounded(high, factor)));
      to += 16;
    }
    for (; to < end; to += 16) v128.store(to, f32x4.splat(0));
    x += <usize>K << 2;
    q += step;
    scale += 4;
  }
}

/**
 * out = factor table[row] + added: one row of an embedding table.
 *
 * @param added C floats, or 0 for none.
 */
export function embed_f32(table: usize, row: i32, factor: f32, added: usize, out: usize, C: i32): void {
  const from = table + ((<usize>row * <usize>C) << 2);
  for (let c: usize = 0; c < <usize>C << 2; c += 4) {
    const y = load<f32>(from + c) * factor;
    store<f32>(out + c, added ? y + load<f32>(added + c) : y);
  }
}

/** The same from 8-bit integers; rows lie C rounded up to 32 bytes apart. */
export function embed_i8(
  table: usize, scales: usize, row: i32, factor: f32, added: usize, out: usize, C: i32,
): void {
  const from = table + <usize>row * <usize>((C + 31) & ~31);
  const scale = load<f32>(scales + (<usize>row << 2)) * factor;
  for (let c = 0; c < C; c++) {
    const at = <usize>c << 2;
    const y = <f32>load<i8>(from + c) * scale;
    store<f32>(out + at, added ? y + load<f32>(added + at) : y);
  }
}

/** The same from blocks of 4-bit integers (linear4.as.ts). */
export function embed_i4(
  table: usize, steps: usize, scales: usize, row: i32, factor: f32, added: usize, out: usize, C: i32,
): void {
  const blocks = (C + 31) >> 5;
  const from = table + <usize>row * (<usize>blocks << 4);
  const step = steps + <usize>row * <usize>blocks;
  const scale = load<f32>(scales + (<usize>row << 2)) * factor;
  for (let c = 0; c < C; c++) {
    const block = c >> 5, place = c & 31;
    const pair = <i32>load<u8>(from + (block << 4) + (place & 15));
    const nibble = (place < 16 ? pair & 15 : pair >> 4) - 8;
    const at = <usize>c << 2;
    const y = <f32>(nibble * <i32>load<u8>(step + block)) * scale;
    store<f32>(out + at, added ? y + load<f32>(added + at) : y);
  }
}

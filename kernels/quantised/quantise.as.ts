// Rows of floats as 8-bit integers with one scale each, and the rows of quantised tables back as floats.
import { loadTail } from "../simd_math.as";
import { activationBytes, OFFSET, ROW_BYTES } from "./lanes.as";

/**
 * Largest |x| of K floats; NaN if there is one. Without their signs floats are ordered as the integers that
 * have their bits, NaN above all: one instruction, where the maximum of floats takes six.
 */
@inline
function largest(x: usize, K: i32): f32 {
  const wide = x + (<usize>(K & ~7) << 2), whole = x + (<usize>(K & ~3) << 2);
  let m = f32x4.abs(loadTail(whole, K & 3, 0)), n = f32x4.splat(0);
  for (; x < wide; x += 32) {
    m = i32x4.max_s(m, f32x4.abs(v128.load(x)));
    n = i32x4.max_s(n, f32x4.abs(v128.load(x, 16)));
  }
  if (x < whole) m = i32x4.max_s(m, f32x4.abs(v128.load(x)));
  m = i32x4.max_s(m, n);
  m = i32x4.max_s(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
  m = i32x4.max_s(m, v128.shuffle<i32>(m, m, 1, 0, 3, 2));
  return f32x4.extract_lane(m, 0);
}

/** 1.5 * 2^23: floats between 2^23 and 2^24 are whole numbers, so adding it rounds, ties to even. */
const ROUNDS: f32 = 12582912;
const ROUNDS_BITS: i32 = 0x4b400000;

/** Four floats within [-127, 127] after the factor to the nearest integers; anything for NaN. */
@inline
function rounded(x: v128, factor: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, factor), f32x4.splat(ROUNDS)), i32x4.splat(ROUNDS_BITS));
}

/** Eight floats as 16-bit integers. @param count how many of them there are, the others count as 0. */
@inline
function roundedEight(x: usize, count: i32, factor: v128): v128 {
  const low = count >= 4 ? v128.load(x) : loadTail(x, count, 0);
  const high = count >= 8 ? v128.load(x, 16) : count > 4 ? loadTail(x + 16, count - 4, 0) : f32x4.splat(0);
  return i16x8.narrow_i32x4_s(rounded(low, factor), rounded(high, factor));
}

/** A row of integers; returns their sum. */
@inline
function quantiseRow<T>(x: usize, q: usize, K: i32, factor: v128): i32 {
  let sums = i32x4.splat(0);
  const end = q + activationBytes<T>(K);
  for (; K >= 8; K -= 8) {
    const eight = roundedEight(x, 8, factor);
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(eight));
    if (sizeof<T>() == 1) v128.store64_lane(q, i8x16.narrow_i16x8_s(eight, eight), 0);
    else v128.store(q, eight);
    x += 32;
    q += 8 * sizeof<T>();
  }
  if (K > 0) {
    const eight = roundedEight(x, K, factor);
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(eight));
    if (sizeof<T>() == 1) v128.store64_lane(q, i8x16.narrow_i16x8_s(eight, eight), 0);
    else v128.store(q, eight);
    q += 8 * sizeof<T>();
  }
  memory.fill(q, 0, end - q);
  return (
    i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) +
    i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3)
  );
}

/** `offset`: what is added to the weights that these activations meet. */
@inline
function quantiseRows<T>(x: usize, q: usize, rows: usize, M: i32, K: i32, offset: i32): void {
  const step = activationBytes<T>(K);
  for (let m = 0; m < M; m++) {
    const top = largest(x, K);
    const sum = quantiseRow<T>(x, q, K, f32x4.splat(top > 0 ? 127 / top : 0));
    store<f32>(rows, top / 127);
    store<i32>(rows, offset * sum, 4);
    x += <usize>K << 2;
    q += step;
    rows += ROW_BYTES;
  }
}

/**
 * scale = max |x| / 127, q = round(x / scale), row by row, for linear_i8: a row knows nothing of its neighbours.
 *
 * Memory: reads x (M, K); overwrites q (M, K padded to 32) with integers in [-127, 127], of 8 bits under
 * relaxed SIMD and of 16 without, and rows (M): the scale and, as an integer, what the offset of the
 * weights adds to the row's sums. A row of zeros has scale 0; one with a NaN has scale NaN.
 */
export function quantise_rows(x: usize, q: usize, rows: usize, M: i32, K: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) quantiseRows<i8>(x, q, rows, M, K, OFFSET);
  else quantiseRows<i16>(x, q, rows, M, K, 0);
}

/** The same for linear_i4: always 16 bits, and weights with a sign. */
export function quantise_rows_i16(x: usize, q: usize, rows: usize, M: i32, K: i32): void {
  quantiseRows<i16>(x, q, rows, M, K, 0);
}

/** Gives 8-bit weights the form that this module multiplies, once, when they are loaded. */
export function prepare_i8(w: usize, bytes: usize): void {
  if (!ASC_FEATURE_RELAXED_SIMD) return;
  for (const end = w + bytes; w < end; w += 16) {
    v128.store(w, i8x16.add(v128.load(w), i8x16.splat(<i8>OFFSET)));
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

/** The same from 8-bit integers after prepare_i8; rows lie C rounded up to 32 bytes apart. */
export function embed_i8(
  table: usize, scales: usize, row: i32, factor: f32, added: usize, out: usize, C: i32,
): void {
  const from = table + <usize>row * <usize>((C + 31) & ~31);
  const scale = load<f32>(scales + (<usize>row << 2)) * factor;
  for (let c = 0; c < C; c++) {
    const at = <usize>c << 2;
    const integer = <i32>load<i8>(from + c) - (ASC_FEATURE_RELAXED_SIMD ? OFFSET : 0);
    const y = <f32>integer * scale;
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

// Gradients as 8-bit integers in blocks of 256 with one f32 scale each. What rounding took from an element
// is kept in f32 and added to the same element of the next update: error feedback.
//
// A payload of n elements is ceil(n / 256) scales, then n integers; the last block may be shorter.
// Element i is integer i times scale floor(i / 256).

const BLOCK: u32 = 256;

/** 2^-100. A block whose largest element is smaller is written as zeros: 127 / largest must be finite. */
const SMALLEST: f32 = 7.888609052210118e-31;

/** 1.5 * 2^23: floats between 2^23 and 2^24 are whole numbers, so adding it rounds, ties to even. */
const ROUNDS: f32 = 12582912;
const ROUNDS_BITS: i32 = 0x4b400000;

/** Bytes of the scales of n elements. */
@inline
function scaleBytes(n: u32): usize {
  return ((n >> 8) + u32((n & (BLOCK - 1)) > 0)) << 2;
}

/** Four elements, with what earlier updates left of them where they are fed back. */
@inline
function four(src: usize, residual: usize, feeds: bool): v128 {
  return feeds ? f32x4.add(v128.load(src), v128.load(residual)) : v128.load(src);
}

/** One of them. */
@inline
function one(src: usize, residual: usize, feeds: bool): f32 {
  return feeds ? load<f32>(src) + load<f32>(residual) : load<f32>(src);
}

/**
 * Largest |x| of a block; NaN if there is one. Without their signs floats are ordered as the integers that
 * have their bits, NaN above all.
 */
@inline
function largest(src: usize, residual: usize, count: u32, feeds: bool): f32 {
  let a = f32x4.splat(0), b = f32x4.splat(0), c = f32x4.splat(0), d = f32x4.splat(0);
  for (; count >= 16; count -= 16) {
    a = i32x4.max_s(a, f32x4.abs(four(src, residual, feeds)));
    b = i32x4.max_s(b, f32x4.abs(four(src + 16, residual + 16, feeds)));
    c = i32x4.max_s(c, f32x4.abs(four(src + 32, residual + 32, feeds)));
    d = i32x4.max_s(d, f32x4.abs(four(src + 48, residual + 48, feeds)));
    src += 64;
    residual += 64;
  }
  for (; count > 0; count--) {
    a = i32x4.max_s(a, f32x4.abs(f32x4.splat(one(src, residual, feeds))));
    src += 4;
    residual += 4;
  }
  a = i32x4.max_s(i32x4.max_s(a, b), i32x4.max_s(c, d));
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
  return f32x4.extract_lane(a, 0);
}

/** Four integers of 32 bits; what they miss goes into the residual. */
@inline
function integers(src: usize, residual: usize, factor: v128, scale: v128, feeds: bool): v128 {
  const x = four(src, residual, feeds);
  const shifted = f32x4.add(f32x4.mul(x, factor), f32x4.splat(ROUNDS));
  if (feeds) {
    const sent = f32x4.mul(f32x4.sub(shifted, f32x4.splat(ROUNDS)), scale);
    v128.store(residual, f32x4.sub(x, sent));
  }
  return i32x4.sub(shifted, i32x4.splat(ROUNDS_BITS));
}

/** Writes a block's integers and returns its scale. */
@inline
function block(dst: usize, src: usize, residual: usize, count: u32, feeds: bool): f32 {
  const top = largest(src, residual, count, feeds);
  let scale = top / 127, factor: f32 = 127.0 / top;
  if (!(scale * 127 < Infinity)) {
    memory.fill(dst, 0, count);
    return NaN;
  }
  if (top < SMALLEST) {
    scale = 0;
    factor = 0;
  }
  const scales = f32x4.splat(scale), factors = f32x4.splat(factor);
  for (; count >= 16; count -= 16) {
    const a = integers(src, residual, factors, scales, feeds);
    const b = integers(src + 16, residual + 16, factors, scales, feeds);
    const c = integers(src + 32, residual + 32, factors, scales, feeds);
    const d = integers(src + 48, residual + 48, factors, scales, feeds);
    v128.store(dst, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
    dst += 16;
    src += 64;
    residual += 64;
  }
  for (; count > 0; count--) {
    const x = one(src, residual, feeds), shifted = x * factor + ROUNDS;
    store<i8>(dst, reinterpret<i32>(shifted) - ROUNDS_BITS);
    if (feeds) store<f32>(residual, x - (shifted - ROUNDS) * scale);
    dst += 1;
    src += 4;
    residual += 4;
  }
  return scale;
}

/** Both kinds, each compiled by itself. */
@inline
function encodeBlocks(dst: usize, src: usize, residual: usize, n: u32, feeds: bool): void {
  let q = dst + scaleBytes(n);
  while (n > 0) {
    const count = min(n, BLOCK);
    store<f32>(dst, block(q, src, residual, count, feeds));
    dst += 4;
    q += count;
    src += <usize>count << 2;
    residual += <usize>count << 2;
    n -= count;
  }
}

/**
 * x = src + residual; scale = max |x| / 127, block by block; dst = x / scale to the nearest, ties to even;
 * residual = x - dst scale. A block whose largest element is below 2^-100 has scale 0. One with an element
 * that is not finite, or whose 127 scale would not be, has scale NaN, so that all of it is NaN at the
 * receiver; its residual stays as it is, for the update that such a gradient belongs to never happens.
 *
 * @param residual n f32, or 0 for none.
 *
 * Memory: reads src (n f32), overwrites dst (a payload) and residual. Cost: two passes over a block, the
 * second from the cache; 5 bytes moved per element, 13 with a residual.
 */
export function to_int8(dst: usize, src: usize, residual: usize, n: u32): void {
  if (residual) encodeBlocks(dst, src, residual, n, true);
  else encodeBlocks(dst, src, 0, n, false);
}

/** dst = the integers at q, or dst += them, times their scale. */
@inline
function decode(dst: usize, q: usize, scale: f32, count: u32, adds: bool): void {
  const scales = f32x4.splat(scale);
  for (; count >= 8; count -= 8) {
    const eight = v128.load_ext<i8>(q);
    const low = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(eight)), scales);
    const high = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(eight)), scales);
    v128.store(dst, adds ? f32x4.add(v128.load(dst), low) : low);
    v128.store(dst, adds ? f32x4.add(v128.load(dst, 16), high) : high, 16);
    q += 8;
    dst += 32;
  }
  for (; count > 0; count--) {
    const y = <f32>load<i8>(q) * scale;
    store<f32>(dst, adds ? load<f32>(dst) + y : y);
    q += 1;
    dst += 4;
  }
}

@inline
function decodeBlocks(dst: usize, src: usize, n: u32, adds: bool): void {
  let q = src + scaleBytes(n);
  while (n > 0) {
    const count = min(n, BLOCK);
    decode(dst, q, load<f32>(src), count, adds);
    src += 4;
    q += count;
    dst += <usize>count << 2;
    n -= count;
  }
}

/**
 * dst = src.
 *
 * Memory: reads src (a payload of n), overwrites dst (n f32). Cost: 5 bytes moved per element.
 */
export function from_int8(dst: usize, src: usize, n: u32): void {
  decodeBlocks(dst, src, n, false);
}

/**
 * dst += src, in f32.
 *
 * Memory: reads src (a payload of n), reads and overwrites dst (n f32). Cost: 9 bytes moved per element.
 */
export function add_int8(dst: usize, src: usize, n: u32): void {
  decodeBlocks(dst, src, n, true);
}

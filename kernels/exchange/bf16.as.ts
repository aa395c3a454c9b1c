// bfloat16, the upper half of an f32: the same range, 8 bits of precision, half the bytes.

/** What rounding adds below the bit that stays; the bit itself decides ties. */
const HALF: i32 = 0x7fff;
/** Set in a rounded NaN, whose other bits may all have been in the lower half. */
const QUIET: i32 = 0x0040;

/** Four floats to bf16 in the lower halves of the lanes, to the nearest, ties to even. Not for NaN. */
@inline
function nearest(x: v128): v128 {
  const even = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  return i32x4.shr_u(i32x4.add(x, i32x4.add(even, i32x4.splat(HALF))), 16);
}

/** The same for all floats. */
@inline
function rounded(x: v128): v128 {
  const quiet = v128.or(i32x4.shr_u(x, 16), i32x4.splat(QUIET));
  return v128.bitselect(quiet, nearest(x), f32x4.ne(x, x));
}

/** Four bf16 as floats. */
@inline
function widened(address: usize): v128 {
  return i32x4.shl(v128.load_ext<u16>(address), 16);
}

/** One. */
@inline
function widenedOne(address: usize): f32 {
  return reinterpret<f32>(<u32>load<u16>(address) << 16);
}

/**
 * dst = src rounded to bf16, to the nearest, ties to even. NaN stays NaN, infinity infinity; what is
 * nearer to 2^128 than to the largest number becomes infinity.
 *
 * Memory: reads src (n f32), overwrites dst (n bf16). Cost: 6 bytes moved per element.
 */
export function to_bf16(dst: usize, src: usize, n: u32): void {
  for (; n >= 16; n -= 16) {
    const a = v128.load(src), b = v128.load(src, 16), c = v128.load(src, 32), d = v128.load(src, 48);
    const odd = v128.or(
      v128.or(f32x4.ne(a, a), f32x4.ne(b, b)),
      v128.or(f32x4.ne(c, c), f32x4.ne(d, d)),
    );
    if (v128.any_true(odd)) {
      v128.store(dst, i16x8.narrow_i32x4_u(rounded(a), rounded(b)));
      v128.store(dst, i16x8.narrow_i32x4_u(rounded(c), rounded(d)), 16);
    } else {
      v128.store(dst, i16x8.narrow_i32x4_u(nearest(a), nearest(b)));
      v128.store(dst, i16x8.narrow_i32x4_u(nearest(c), nearest(d)), 16);
    }
    src += 64;
    dst += 32;
  }
  for (; n > 0; n--) {
    v128.store16_lane(dst, rounded(v128.load32_zero(src)), 0);
    src += 4;
    dst += 2;
  }
}

/**
 * dst = src, exactly.
 *
 * Memory: reads src (n bf16), overwrites dst (n f32). Cost: 6 bytes moved per element.
 */
export function from_bf16(dst: usize, src: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    v128.store(dst, widened(src));
    v128.store(dst, widened(src + 8), 16);
    src += 16;
    dst += 32;
  }
  for (; n > 0; n--) {
    store<f32>(dst, widenedOne(src));
    src += 2;
    dst += 4;
  }
}

/**
 * dst += src, in f32.
 *
 * Memory: reads src (n bf16), reads and overwrites dst (n f32). Cost: 10 bytes moved per element.
 */
export function add_bf16(dst: usize, src: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    v128.store(dst, f32x4.add(v128.load(dst), widened(src)));
    v128.store(dst, f32x4.add(v128.load(dst, 16), widened(src + 8)), 16);
    src += 16;
    dst += 32;
  }
  for (; n > 0; n--) {
    store<f32>(dst, load<f32>(dst) + widenedOne(src));
    src += 2;
    dst += 4;
  }
}

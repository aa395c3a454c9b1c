// Sums of gradients as they are computed, and what shows that an update must not happen.

/** The bits of infinity; NaN has larger ones once its sign is gone. */
const INFINITE: i32 = 0x7f800000;

@inline
function addFour(dst: usize, src: usize): void {
  v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)));
}

/**
 * dst += src.
 *
 * Memory: reads src (n), reads and overwrites dst (n). Cost: 12 bytes moved per element.
 */
export function add_f32(dst: usize, src: usize, n: u32): void {
  for (; n >= 16; n -= 16) {
    addFour(dst, src);
    addFour(dst + 16, src + 16);
    addFour(dst + 32, src + 32);
    addFour(dst + 48, src + 48);
    dst += 64;
    src += 64;
  }
  for (; n > 0; n--) {
    store<f32>(dst, load<f32>(dst) + load<f32>(src));
    dst += 4;
    src += 4;
  }
}

/**
 * 1 if all of x (n) are finite, else 0. Without their signs floats are ordered as the integers that have
 * their bits, infinity above all numbers and NaN above infinity: the largest one tells.
 */
export function all_finite(x: usize, n: u32): i32 {
  let a = i32x4.splat(0), b = i32x4.splat(0), c = i32x4.splat(0), d = i32x4.splat(0);
  for (; n >= 16; n -= 16) {
    a = i32x4.max_s(a, f32x4.abs(v128.load(x)));
    b = i32x4.max_s(b, f32x4.abs(v128.load(x, 16)));
    c = i32x4.max_s(c, f32x4.abs(v128.load(x, 32)));
    d = i32x4.max_s(d, f32x4.abs(v128.load(x, 48)));
    x += 64;
  }
  for (; n > 0; n--) {
    a = i32x4.max_s(a, f32x4.abs(v128.load32_zero(x)));
    x += 4;
  }
  const all = i32x4.max_s(i32x4.max_s(a, b), i32x4.max_s(c, d));
  return i32(!v128.any_true(i32x4.ge_s(all, i32x4.splat(INFINITE))));
}

// The arithmetic of quantised products in two forms, chosen when a function is compiled: T = i16 for
// activations of 16 bits, which every SIMD machine multiplies; T = i8 for activations of 8 bits and weights
// of 7 without a sign, which relaxed SIMD multiplies 16 at a time. Both compute the same whole numbers.

/** What is added to weights so that they need no sign: their integers lie within [-63, 63]. */
export const OFFSET: i32 = 64;

/** Bytes of a row of `K` activations, padded with zeros to a multiple of 32 elements. */
@inline
export function activationBytes<T>(K: i32): usize {
  return <usize>((K + 31) & ~31) * sizeof<T>();
}

/** Weights that are multiplied with 16 bytes of activations: their number, which is also their bytes. */
@inline
export function weightStep<T>(): usize {
  return 16 / sizeof<T>();
}

/** So many weights, as wide as the activations. */
@inline
export function loadWeights<T>(w: usize): v128 {
  return sizeof<T>() == 1 ? v128.load(w) : v128.load_ext<i8>(w);
}

/** a + the products of activations and weights, neighbours added. */
@inline
export function dotAdd<T>(a: v128, x: v128, w: v128): v128 {
  if (sizeof<T>() == 1) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, a);
  return i32x4.add(a, i32x4.dot_i16x8_s(x, w));
}

/** Bytes of what is known of a row of activations: its scale, and what the weights' offset adds to its sums. */
export const ROW_BYTES: usize = 8;

/** The sums of the lanes of four vectors, side by side. */
@inline
function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 1, 4, 5), v128.shuffle<i32>(a, b, 2, 3, 6, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 1, 4, 5), v128.shuffle<i32>(c, d, 2, 3, 6, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7));
}

/** (sums - offsets) * (scales * ws) + bias, lane by lane. */
@inline
function scaled(sums: v128, offsets: v128, scales: v128, ws: v128, bias: v128): v128 {
  const whole = f32x4.convert_i32x4_s(i32x4.sub(sums, offsets));
  return f32x4.add(f32x4.mul(whole, f32x4.mul(scales, ws)), bias);
}

/** A row's y at four neighbouring columns. `bias` is an address, or 0 for none. */
@inline
export function putFour(y: usize, a: v128, b: v128, c: v128, d: v128, row: usize, ws: usize, bias: usize): void {
  const added = bias ? v128.load(bias) : f32x4.splat(0);
  const offsets = v128.load32_splat(row, 4), scales = v128.load32_splat(row);
  v128.store(y, scaled(sumsOf(a, b, c, d), offsets, scales, v128.load(ws), added));
}

/** The same column pair of W, two scales or two biases, in lanes 0, 1 and again in lanes 2, 3. */
@inline
export function pairs(first: usize, second: usize): v128 {
  const both = v128.load32_lane(second, v128.load32_splat(first), 1);
  return v128.shuffle<i32>(both, both, 0, 1, 0, 1);
}

/**
 * Two columns of two neighbouring rows: a, b of the first, c, d of the second.
 *
 * @param next bytes from the first column to the second. @param ws, bias pairs().
 */
@inline
export function putTwoRows(
  y: usize, stepY: usize, next: usize, a: v128, b: v128, c: v128, d: v128, row: usize, ws: v128, bias: v128,
): void {
  const known = v128.load(row); // scale, offset, scale, offset
  const scales = v128.shuffle<i32>(known, known, 0, 0, 2, 2);
  const offsets = v128.shuffle<i32>(known, known, 1, 1, 3, 3);
  const out = scaled(sumsOf(a, b, c, d), offsets, scales, ws, bias);
  v128.store_lane<f32>(y, out, 0);
  v128.store_lane<f32>(y + next, out, 1);
  v128.store_lane<f32>(y + stepY, out, 2);
  v128.store_lane<f32>(y + stepY + next, out, 3);
}

/** Two columns of one row. */
@inline
export function putRow(y: usize, next: usize, a: v128, b: v128, row: usize, ws: v128, bias: v128): void {
  const offsets = v128.load32_splat(row, 4), scales = v128.load32_splat(row);
  const out = scaled(sumsOf(a, b, a, b), offsets, scales, ws, bias);
  v128.store_lane<f32>(y, out, 0);
  v128.store_lane<f32>(y + next, out, 1);
}

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

/** Sum of four 32-bit integers. */
@inline
function sumLanes(x: v128): i32 {
  const pairs = i32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/** Bytes of what is known of a row of activations: its scale, and what the weights' offset adds to its sums. */
export const ROW_BYTES: usize = 8;

/** y = (sum - the row's offset) * the row's scale * ws + bias. `bias` is an address, or 0 for none. */
@inline
export function put(y: usize, sum: v128, row: usize, ws: usize, bias: usize): void {
  const whole = sumLanes(sum) - load<i32>(row, 4);
  const scaled = <f32>whole * (load<f32>(row) * load<f32>(ws));
  store<f32>(y, bias ? scaled + load<f32>(bias) : scaled);
}

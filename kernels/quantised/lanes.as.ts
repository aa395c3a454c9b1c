/** Sum of four 32-bit integers. */
@inline
export function sumLanesI32(x: v128): i32 {
  const pairs = i32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/** a + the products of eight 16-bit integers, neighbours added. */
@inline
export function dotAdd(a: v128, x: v128, w: v128): v128 {
  return i32x4.add(a, i32x4.dot_i16x8_s(x, w));
}

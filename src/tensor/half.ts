// IEEE binary16 on the host: what weights and activations are under --fp16.

const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** The value of binary16 bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * Bits of the nearest binary16, to even where two are as near; infinity from 65520 on.
 *
 * @param value rounded to float32 first.
 */
export function numberToHalf(value: number): number {
  single[0] = value;
  const sign = (word[0] >>> 16) & 0x8000;
  const magnitude = word[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536
  if (magnitude < 0x38800000) {
    // Below 2^-14 numbers are multiples of 2^-24, as floats between 0.5 and 1 are.
    single[0] = Math.abs(single[0]) + 0.5;
    return sign | (word[0] - 0x3f000000);
  }
  const even = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + even) >>> 13);
}

/** The nearest binary16 number. */
export const roundToHalf = (value: number): number => halfToNumber(numberToHalf(value));

/** Binary16 bits of floats, padded to a whole number of words as devices store them. */
export function packHalves(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(Math.ceil(values.length / 2) * 2);
  for (let i = 0; i < values.length; i++) bits[i] = numberToHalf(values[i]);
  return bits;
}

/** Values of the first `length` binary16 numbers. */
export function unpackHalves(bytes: ArrayBuffer, length: number): Float32Array {
  return Float32Array.from(new Uint16Array(bytes, 0, length), halfToNumber);
}

// What the exchange's kernels mean: plain loops, never fast. A number is rounded to f32 (Math.fround) where
// the kernels round it, so that results agree to the bit.

const bits = new DataView(new ArrayBuffer(4));

function floatOf(pattern: number): number {
  bits.setUint32(0, pattern);
  return bits.getFloat32(0);
}

/** A bf16 as the number it is. */
export function fromBf16(half: number): number {
  return floatOf((half << 16) >>> 0);
}

/** The bf16 nearest to an f32 of these bits; of two as near, the even one. NaN keeps its upper bits. */
export function toBf16(pattern: number): number {
  const x = floatOf(pattern);
  const lower = pattern >>> 16;
  if (Number.isNaN(x)) return lower | 0x40;
  if (!Number.isFinite(x)) return lower;
  const upper = lower + 1;
  // Past the largest number the next step would be 2^128: infinity stands for it.
  const above = Number.isFinite(fromBf16(upper)) ? Math.abs(fromBf16(upper)) : 2 ** 128;
  const [down, up] = [Math.abs(x) - Math.abs(fromBf16(lower)), above - Math.abs(x)];
  if (down === up) return lower % 2 === 0 ? lower : upper;
  return down < up ? lower : upper;
}

/** Elements that share a scale. */
export const BLOCK = 256;

export interface Int8Payload {
  readonly scales: Float32Array;
  readonly integers: Int8Array;
}

/** Integers with a scale for each block; `residual`, if there is one, is overwritten. */
export function toInt8(src: Float32Array, residual: Float32Array | undefined): Int8Payload {
  const scales = new Float32Array(Math.ceil(src.length / BLOCK));
  const integers = new Int8Array(src.length);
  for (let block = 0; block < scales.length; block++) {
    const begin = block * BLOCK;
    const end = Math.min(begin + BLOCK, src.length);
    const x = Array.from(src.subarray(begin, end), (value, i) =>
      residual ? Math.fround(value + residual[begin + i]) : value,
    );
    const top = Math.max(0, ...x.map(Math.abs));
    const scale = Math.fround(top / 127);
    scales[block] = Number.isFinite(Math.fround(127 * scale)) ? scale : Number.NaN;
    if (Number.isNaN(scales[block])) continue;
    if (top < 2 ** -100) scales[block] = 0;
    const factor = top < 2 ** -100 ? 0 : Math.fround(127 / top);
    for (let i = begin; i < end; i++) {
      integers[i] = roundToEven(Math.fround(x[i - begin] * factor));
      const sent = Math.fround(integers[i] * scales[block]);
      if (residual) residual[i] = x[i - begin] - sent;
    }
  }
  return { scales, integers };
}

export function fromInt8({ scales, integers }: Int8Payload): Float32Array {
  return Float32Array.from(integers, (q, i) => q * scales[Math.floor(i / BLOCK)]);
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

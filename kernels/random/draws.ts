// Initial values: uniform and normal numbers of counters, on the host with the bits of draws.as.ts. Both
// keep to additions, multiplications, quotients and roots of float64, which are the same everywhere.
import type { KernelDispatch } from "../op.ts";
import { philoxInto } from "./philox.ts";

/** Which numbers: those of the counters (counter, 0, 0, 1) and following, by Philox keyed with seed and stream. */
export interface Draw {
  /** Four numbers of each counter in [-scale, scale], or two of deviation `scale`. */
  readonly kind: "uniform" | "normal";
  readonly scale: number;
  readonly seed: number;
  readonly stream: number;
  readonly counter: number;
}

/** So many numbers use up so many counters. */
export const countersOf = ({ kind }: Pick<Draw, "kind">, numbers: number): number =>
  Math.ceil(numbers / (kind === "uniform" ? 4 : 2));

const double = new Float64Array(1);
const words32 = new Int32Array(double.buffer);

/** ln((word + 1/2) / 2^32), to 1e-11 of it. */
function ln(word: number): number {
  double[0] = (word + 0.5) * 2.3283064365386963e-10;
  // m in [sqrt(1/2), sqrt(2)), and what power of two it is to be multiplied by; little-endian.
  const power = (words32[1] - 0x3fe6a09e) >> 20;
  words32[1] -= power << 20;
  const [m] = double;
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let p = (1 / 13) * z + 1 / 11;
  p = p * z + 1 / 9;
  p = p * z + 1 / 7;
  p = p * z + 1 / 5;
  p = p * z + 1 / 3;
  p = p * z + 1;
  return power * Math.LN2 + (s + s) * p;
}

/** cos(2 pi (word + 1/2) / 2^32), to 1e-12: the sine of an angle of at most a right one, by its series. */
function cosine(word: number): number {
  const turn = (word + 0.5) * 2.3283064365386963e-10;
  const x = (Math.abs(turn - 0.5) - 0.25) * (2 * Math.PI);
  const z = x * x;
  let p = 2.8114572543455206e-15 * z - 7.647163731819816e-13;
  p = p * z + 1.6059043836821613e-10;
  p = p * z - 2.505210838544172e-8;
  p = p * z + 2.7557319223985893e-6;
  p = p * z - 0.0001984126984126984;
  p = p * z + 0.008333333333333333;
  p = p * z - 0.16666666666666666;
  return x * (p * z + 1);
}

/** A standard normal number of two words. Box and Muller 1958. */
export const gauss = (first: number, second: number): number =>
  Math.sqrt(-2 * ln(first)) * cosine(second);

/** Fills an array. The slow way, for where no thread can reach its memory. */
export function drawInto(values: Float32Array, draw: Draw): void {
  const words = new Uint32Array(4);
  const { kind, seed, stream } = draw;
  let { counter } = draw;
  const scale = Math.fround(draw.scale);
  const unit = scale / 2 ** 31;
  for (let i = 0; i < values.length; ) {
    philoxInto(words, counter++, 0, 0, 1, seed, stream);
    if (kind === "uniform") {
      // Rounded twice, as a kernel does it.
      for (const word of words) values[i++] = Math.fround(word - 2 ** 31) * unit;
    } else {
      values[i++] = gauss(words[0], words[1]) * scale;
      values[i++] = gauss(words[2], words[3]) * scale;
    }
  }
}

/** The same on the threads of the cpu device, into output 0. */
export const drawDispatch = (
  { kind, scale, seed, stream, counter }: Draw,
  numbers: number,
): KernelDispatch => ({
  kernel: `random_${kind}`,
  arguments: [
    ...[{ output: 0 }, { scratch: 128 }, seed, stream, counter],
    { f32: kind === "uniform" ? Math.fround(scale) / 2 ** 31 : scale },
  ],
  work: numbers,
  // Whole blocks of the kernels, and enough of them to be worth a second thread.
  grain: 4096,
});

// Initial values: uniform and normal numbers, the bits of drawInto() in draws.ts.
//
// Memory: overwrites elements [start, end) of `to`. `words` are 128 bytes of this thread's own.
// Work: elements in any split that begins at multiples of 32.
// Cost: one Philox counter for four uniform numbers, or for two normal ones; no other reads.
import {
  highWords,
  lowWords,
  MULTIPLIER_0,
  MULTIPLIER_1,
  STEP_0,
  STEP_1,
} from "../philox.as";
import { storeTail } from "../simd_math.as";

/**
 * The output words of the counters (first + lane, 0, 0, 1): vector i holds word i of each. Behind these
 * four vectors the next four counters' words: two vectors in flight take less than one after the other.
 */
function philox(words: usize, first: u32, seed: u32, stream: u32): void {
  const m0 = i32x4.splat(MULTIPLIER_0);
  const m1 = i32x4.splat(MULTIPLIER_1);
  const step0 = i32x4.splat(STEP_0);
  const step1 = i32x4.splat(STEP_1);
  const counters = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3));
  const following = i32x4.add(counters, i32x4.splat(4));
  let key0 = i32x4.splat(seed);
  let key1 = i32x4.splat(stream);
  // The first round, in which three words are the same for all.
  let low = i64x2.extmul_low_i32x4_u(counters, m0);
  let high = i64x2.extmul_high_i32x4_u(counters, m0);
  const mask = v128.xor(key1, i32x4.splat(1));
  let a0 = key0;
  let a1 = i32x4.splat(0);
  let a2 = v128.xor(highWords(low, high), mask);
  let a3 = lowWords(low, high);
  low = i64x2.extmul_low_i32x4_u(following, m0);
  high = i64x2.extmul_high_i32x4_u(following, m0);
  let b0 = key0;
  let b1 = i32x4.splat(0);
  let b2 = v128.xor(highWords(low, high), mask);
  let b3 = lowWords(low, high);
  for (let round = 1; round < 10; round++) {
    key0 = i32x4.add(key0, step0);
    key1 = i32x4.add(key1, step1);
    const a0Low = i64x2.extmul_low_i32x4_u(a0, m0);
    const a0High = i64x2.extmul_high_i32x4_u(a0, m0);
    const a2Low = i64x2.extmul_low_i32x4_u(a2, m1);
    const a2High = i64x2.extmul_high_i32x4_u(a2, m1);
    a0 = v128.xor(v128.xor(highWords(a2Low, a2High), a1), key0);
    a1 = lowWords(a2Low, a2High);
    a2 = v128.xor(v128.xor(highWords(a0Low, a0High), a3), key1);
    a3 = lowWords(a0Low, a0High);
    const b0Low = i64x2.extmul_low_i32x4_u(b0, m0);
    const b0High = i64x2.extmul_high_i32x4_u(b0, m0);
    const b2Low = i64x2.extmul_low_i32x4_u(b2, m1);
    const b2High = i64x2.extmul_high_i32x4_u(b2, m1);
    b0 = v128.xor(v128.xor(highWords(b2Low, b2High), b1), key0);
    b1 = lowWords(b2Low, b2High);
    b2 = v128.xor(v128.xor(highWords(b0Low, b0High), b3), key1);
    b3 = lowWords(b0Low, b0High);
  }
  v128.store(words, a0);
  v128.store(words, a1, 16);
  v128.store(words, a2, 32);
  v128.store(words, a3, 48);
  v128.store(words, b0, 64);
  v128.store(words, b1, 80);
  v128.store(words, b2, 96);
  v128.store(words, b3, 112);
}

/** Stores the first `count` of four elements. */
@inline
function put(to: usize, x: v128, count: i32): void {
  if (count >= 4) v128.store(to, x);
  else storeTail(to, x, count);
}

/** Words as numbers in [-bound, bound], where scale is bound / 2^31. */
@inline
function uniform(words: v128, scale: v128): v128 {
  const signed = v128.xor(words, i32x4.splat(0x80000000));
  return f32x4.mul(f32x4.convert_i32x4_s(signed), scale);
}

/** Up to 16 uniform numbers, of the words of four counters. */
@inline
function putUniform(to: usize, words: usize, scale: v128, count: i32): void {
  const w0 = v128.load(words);
  const w1 = v128.load(words, 16);
  const w2 = v128.load(words, 32);
  const w3 = v128.load(words, 48);
  const low01 = v128.shuffle<i32>(w0, w1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(w2, w3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(w0, w1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(w2, w3, 2, 6, 3, 7);
  put(to, uniform(v128.shuffle<i64>(low01, low23, 0, 2), scale), count);
  put(to + 16, uniform(v128.shuffle<i64>(low01, low23, 1, 3), scale), count - 4);
  put(to + 32, uniform(v128.shuffle<i64>(high01, high23, 0, 2), scale), count - 8);
  put(to + 48, uniform(v128.shuffle<i64>(high01, high23, 1, 3), scale), count - 12);
}

export function random_uniform(
  to: usize, words: usize, seed: i32, stream: i32, counter: i32, scale: f32, start: i32, end: i32,
): void {
  const scales = f32x4.splat(scale);
  for (let i = start; i < end; i += 32) {
    philox(words, counter + (i >>> 2), seed, stream);
    const at = to + (<usize>i << 2);
    putUniform(at, words, scales, end - i);
    putUniform(at + 64, words + 64, scales, end - i - 16);
  }
}

/** a x + b. */
@inline
function step(a: v128, x: v128, b: f64): v128 {
  return f64x2.add(f64x2.mul(a, x), f64x2.splat(b));
}

/** ln((word + 1/2) / 2^32) of the two words in lanes 0 and 1: as ln() of draws.ts. */
@inline
function ln(words: v128): v128 {
  const half = f64x2.add(f64x2.convert_low_i32x4_u(words), f64x2.splat(0.5));
  const bits = f64x2.mul(half, f64x2.splat(2.3283064365386963e-10));
  const power = i64x2.shr_s(i64x2.sub(bits, i64x2.splat(0x3fe6a09e00000000)), 52);
  const m = i64x2.sub(bits, i64x2.shl(power, 52));
  const s = f64x2.div(f64x2.sub(m, f64x2.splat(1)), f64x2.add(m, f64x2.splat(1)));
  const z = f64x2.mul(s, s);
  let p = step(f64x2.splat(1.0 / 13), z, 1.0 / 11);
  p = step(p, z, 1.0 / 9);
  p = step(p, z, 1.0 / 7);
  p = step(p, z, 1.0 / 5);
  p = step(p, z, 1.0 / 3);
  p = step(p, z, 1);
  const n = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(power, power, 0, 2, 0, 2));
  const whole = f64x2.mul(n, f64x2.splat(0.6931471805599453));
  return f64x2.add(whole, f64x2.mul(f64x2.add(s, s), p));
}

/** cos(2 pi (word + 1/2) / 2^32), as cosine() of draws.ts. */
@inline
function cosine(words: v128): v128 {
  const half = f64x2.add(f64x2.convert_low_i32x4_u(words), f64x2.splat(0.5));
  const turn = f64x2.mul(half, f64x2.splat(2.3283064365386963e-10));
  const folded = f64x2.abs(f64x2.sub(turn, f64x2.splat(0.5)));
  const quarter = f64x2.sub(folded, f64x2.splat(0.25));
  const x = f64x2.mul(quarter, f64x2.splat(6.283185307179586));
  const z = f64x2.mul(x, x);
  let p = step(f64x2.splat(2.8114572543455206e-15), z, -7.647163731819816e-13);
  p = step(p, z, 1.6059043836821613e-10);
  p = step(p, z, -2.505210838544172e-8);
  p = step(p, z, 2.7557319223985893e-6);
  p = step(p, z, -0.0001984126984126984);
  p = step(p, z, 0.008333333333333333);
  p = step(p, z, -0.16666666666666666);
  p = step(p, z, 1);
  return f64x2.mul(x, p);
}

/** Box and Muller: a normal number of each of two pairs of words, in the lower lanes. */
@inline
function gauss(first: v128, second: v128, deviation: v128): v128 {
  const radius = f64x2.sqrt(f64x2.mul(f64x2.splat(-2), ln(first)));
  return f32x4.demote_f64x2_zero(
    f64x2.mul(f64x2.mul(radius, cosine(second)), deviation),
  );
}

/** Four normal numbers of two counters: the lower lanes of the words that are given. */
@inline
function normals(w0: v128, w1: v128, w2: v128, w3: v128, deviation: v128): v128 {
  return v128.shuffle<i32>(gauss(w0, w1, deviation), gauss(w2, w3, deviation), 0, 4, 1, 5);
}

@inline
function upper(x: v128): v128 {
  return v128.shuffle<i32>(x, x, 2, 3, 2, 3);
}

/** Up to 8 normal numbers, of the words of four counters. */
@inline
function putNormal(to: usize, words: usize, deviation: v128, count: i32): void {
  const w0 = v128.load(words);
  const w1 = v128.load(words, 16);
  const w2 = v128.load(words, 32);
  const w3 = v128.load(words, 48);
  put(to, normals(w0, w1, w2, w3, deviation), count);
  put(to + 16, normals(upper(w0), upper(w1), upper(w2), upper(w3), deviation), count - 4);
}

export function random_normal(
  to: usize, words: usize, seed: i32, stream: i32, counter: i32, scale: f32, start: i32, end: i32,
): void {
  const deviation = f64x2.splat(scale);
  for (let i = start; i < end; i += 16) {
    philox(words, counter + (i >>> 1), seed, stream);
    const at = to + (<usize>i << 2);
    putNormal(at, words, deviation, end - i);
    putNormal(at + 32, words + 64, deviation, end - i - 8);
  }
}

// SIMD mathematics that all kernels share: four f32 lanes in, four out. Polynomials were fitted
// for weft (Remez exchange, float64). Error bounds are the largest seen over a dense sweep of
// the stated range, in units in the last place (ulp) of the f32 result.
//
// Memory: touches none but the row helpers, which read only.
// Work: no branches, so equal inputs give equal bits in every lane and at every row offset.

const LOG2E: f32 = 1.4426950408889634;
/** ln 2 in two parts; n * LN2_HIGH is exact for |n| <= 256. */
const LN2_HIGH: f32 = 0.693145751953125;
const LN2_LOW: f32 = 1.4286068203094172e-6;
/** Smallest x with a normal exp(x), and the largest with a finite one. */
const EXP_LOWEST: f32 = -87.33654;
const EXP_HIGHEST: f32 = 88.72283;
/** -127 ln 2, rounded towards zero. */
const EXP_ZERO: f32 = -88.02969;
/**
 * 1.5 2^23: a float of at most 2^22 added to it is rounded to a whole number (ties to even), which then
 * stands in the lowest bits. Two instructions, where truncation with its rules for NaN takes eight.
 */
const WHOLE: f32 = 12582912;

/** (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2. */
@inline
function expTail(r: v128): v128 {
  let q = f32x4.add(f32x4.mul(r, f32x4.splat(0.0013950602151453495)), f32x4.splat(0.008368953131139278));
  q = f32x4.add(f32x4.mul(q, r), f32x4.splat(0.04166620597243309));
  q = f32x4.add(f32x4.mul(q, r), f32x4.splat(0.166665181517601));
  return f32x4.add(f32x4.mul(q, r), f32x4.splat(0.5));
}

/** x - n ln 2. */
@inline
function reduce(x: v128, n: v128): v128 {
  return f32x4.sub(
    f32x4.sub(x, f32x4.mul(n, f32x4.splat(LN2_HIGH))),
    f32x4.mul(n, f32x4.splat(LN2_LOW)),
  );
}

/**
 * e^x, within 1 ulp. 0 below -87.336 (no subnormal results); NaN stays. Above 88.7228 it stops at
 * 3.4e38 instead of infinity: no softmax gets there, and the test would cost a third of the time.
 */
@inline
export function expv(x: v128): v128 {
  const bounded = f32x4.pmax(f32x4.pmin(x, f32x4.splat(EXP_HIGHEST)), f32x4.splat(EXP_LOWEST));
  const whole = f32x4.add(f32x4.mul(bounded, f32x4.splat(LOG2E)), f32x4.splat(WHOLE));
  const r = reduce(bounded, f32x4.sub(whole, f32x4.splat(WHOLE)));
  const p = f32x4.add(
    f32x4.add(f32x4.mul(expTail(r), f32x4.mul(r, r)), r),
    f32x4.splat(1),
  );
  // Times 2^n by adding n to the exponent bits: the bounds keep the sum within normal numbers.
  const y = i32x4.add(p, i32x4.shl(whole, 23));
  // The exponent of NaN may have been changed: all bits set are NaN again.
  return v128.or(v128.andnot(y, f32x4.lt(x, f32x4.splat(EXP_LOWEST))), f32x4.ne(x, x));
}

/** 2^f for |f| <= 1/2; exact at 0, relative error below 1.8e-7. */
@inline
function exp2Tail(f: v128): v128 {
  let q = f32x4.add(f32x4.mul(f, f32x4.splat(0.0013264727318282182)), f32x4.splat(0.009671512785271844));
  q = f32x4.add(f32x4.mul(q, f), f32x4.splat(0.055507337442478516));
  q = f32x4.add(f32x4.mul(q, f), f32x4.splat(0.24022242083123196));
  q = f32x4.add(f32x4.mul(q, f), f32x4.splat(0.6931469775978438));
  return f32x4.add(f32x4.mul(q, f), f32x4.splat(1));
}

/**
 * e^x for x <= 0, what softmaxes are made of; half as long as expv. The relative error is below
 * 2e-7 + 7.5e-8 |x|, so the less a term weighs in a sum the larger it is; 0 below -88.03, NaN stays.
 * Between -88.03 and -87.336 it may be 0 too. Above 0 it goes on to 88: rounding may lead there.
 */
@inline
export function expBelowZero(x: v128): v128 {
  const t = f32x4.mul(f32x4.pmax(x, f32x4.splat(EXP_ZERO)), f32x4.splat(LOG2E));
  // The lowest bits hold n + 127, which is the exponent of 2^n: none for n = -127.
  const whole = f32x4.add(t, f32x4.splat(WHOLE + 127));
  const p = exp2Tail(f32x4.sub(t, f32x4.sub(whole, f32x4.splat(WHOLE + 127))));
  return f32x4.mul(p, i32x4.shl(whole, 23));
}

/** e^x - 1 for -60 <= x <= 60, within 3 ulp, also near zero. */
@inline
function expm1v(x: v128): v128 {
  const whole = f32x4.add(f32x4.mul(x, f32x4.splat(LOG2E)), f32x4.splat(WHOLE));
  const r = reduce(x, f32x4.sub(whole, f32x4.splat(WHOLE)));
  const q = f32x4.add(f32x4.mul(expTail(r), f32x4.mul(r, r)), r);
  const power = i32x4.shl(i32x4.add(whole, i32x4.splat(127)), 23);
  return f32x4.add(f32x4.mul(q, power), f32x4.sub(power, f32x4.splat(1)));
}

/** ln x, within 1 ulp. NaN below zero, -infinity at zero; subnormal arguments are exact too. */
@inline
export function logv(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, tiny);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(s), s = (m - 1) / (m + 1).
  const shifted = i32x4.sub(scaled, i32x4.splat(0x3f3504f3));
  const exponent = i32x4.shr_s(shifted, 23);
  const m = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const e = f32x4.sub(
    f32x4.convert_i32x4_s(exponent),
    v128.and(tiny, f32x4.splat(23)),
  );
  const f = f32x4.sub(m, f32x4.splat(1));
  const s = f32x4.div(f, f32x4.add(m, f32x4.splat(1)));
  const z = f32x4.mul(s, s);
  let t = f32x4.add(f32x4.mul(z, f32x4.splat(0.14936155080795288)), f32x4.splat(0.19988760352134705));
  t = f32x4.add(f32x4.mul(t, z), f32x4.splat(0.3333338797092438));
  // 2s = f - s f: the leading term stays exact, the rest is small beside it.
  const rest = f32x4.mul(s, f32x4.sub(f32x4.mul(f32x4.add(t, t), z), f));
  const low = f32x4.add(rest, f32x4.mul(e, f32x4.splat(LN2_LOW)));
  const y = f32x4.add(f32x4.mul(e, f32x4.splat(LN2_HIGH)), f32x4.add(f, low));
  // Infinity and NaN pass through; zero and negative numbers are set apart.
  const finite = v128.bitselect(y, x, f32x4.lt(x, f32x4.splat(Infinity)));
  const positive = v128.bitselect(f32x4.splat(NaN), finite, f32x4.lt(x, f32x4.splat(0)));
  return v128.bitselect(f32x4.splat(-Infinity), positive, f32x4.eq(x, f32x4.splat(0)));
}

/** Hyperbolic tangent, within 3 ulp; odd, exactly +-1 from |x| = 9.02 on. NaN stays. */
@inline
export function tanhv(x: v128): v128 {
  const magnitude = f32x4.pmin(f32x4.abs(x), f32x4.splat(9.02));
  const u = expm1v(f32x4.mul(magnitude, f32x4.splat(-2)));
  const y = f32x4.abs(f32x4.div(u, f32x4.add(u, f32x4.splat(2))));
  return v128.or(y, v128.and(x, f32x4.splat(-0.0)));
}

/** Error function, within 4 ulp; odd, exactly +-1 from |x| = 3.95 on. NaN stays. */
@inline
export function erfv(x: v128): v128 {
  // erf(a) = 1 - exp(-a R(a)), R fitted to -ln(erfc(a)) / a on [0, 3.95].
  const a = f32x4.pmin(f32x4.abs(x), f32x4.splat(3.95));
  let t = f32x4.add(f32x4.mul(a, f32x4.splat(7.559200412288192e-7)), f32x4.splat(-0.000015311205061152577));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(0.00013367105566430837));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(-0.0006417609984055161));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(0.0016366865020245314));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(-0.00010333538375562057));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(-0.01918971724808216));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(0.10278656333684921));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(0.6366189122200012));
  t = f32x4.add(f32x4.mul(t, a), f32x4.splat(1.128379225730896));
  const y = f32x4.neg(expm1v(f32x4.neg(f32x4.mul(t, a))));
  return v128.or(f32x4.abs(y), v128.and(x, f32x4.splat(-0.0)));
}

/** 1 / (1 + e^-x), within 3 ulp; 0 (or below 3e-39) and 1 at the ends. NaN stays. */
@inline
export function sigmoidv(x: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), expv(f32x4.neg(x))));
}

/** Sum of the four lanes, always (0 + 2) + (1 + 3). */
@inline
export function sumLanes(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The sum of each vector's lanes, added as sumLanes() does. */
@inline
export function sumsOfLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/** Largest of the four lanes. */
@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.pmax(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/**
 * Loads the first `count` (0 to 3) floats at `address`, the other lanes holding `fill`: how a
 * kernel takes the tail of a row without reading past it.
 */
@inline
export function loadTail(address: usize, count: i32, fill: f32): v128 {
  let x = f32x4.splat(fill);
  if (count > 0) x = v128.load_lane<f32>(address, x, 0);
  if (count > 1) x = v128.load_lane<f32>(address, x, 1, 4);
  if (count > 2) x = v128.load_lane<f32>(address, x, 2, 8);
  return x;
}

/** Stores the first `count` (0 to 3) lanes at `address`. */
@inline
export function storeTail(address: usize, x: v128, count: i32): void {
  if (count > 0) v128.store_lane<f32>(address, x, 0);
  if (count > 1) v128.store_lane<f32>(address, x, 1, 4);
  if (count > 2) v128.store_lane<f32>(address, x, 2, 8);
}

/** Sum of C floats, in four chains of vectors: one would wait for itself. */
@inline
export function rowSum(x: usize, C: i32): f32 {
  const whole = <usize>(C & ~3) << 2, wide = <usize>(C & ~15) << 2;
  let a = loadTail(x + whole, C & 3, 0);
  let b = f32x4.splat(0), c = f32x4.splat(0), d = f32x4.splat(0);
  let i: usize = 0;
  for (; i < wide; i += 64) {
    a = f32x4.add(a, v128.load(x + i));
    b = f32x4.add(b, v128.load(x + i, 16));
    c = f32x4.add(c, v128.load(x + i, 32));
    d = f32x4.add(d, v128.load(x + i, 48));
  }
  for (; i < whole; i += 16) b = f32x4.add(b, v128.load(x + i));
  return sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
}

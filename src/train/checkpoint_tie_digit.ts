import { NumpyRandom } from "../data/numpy_random.ts";

/**
 * The digit that fairseq hangs on the name of a kept best checkpoint, so that two of the same
 * value (to three decimals) get two names: numpy's randint(0, keep) after seeding with
 * hash((epoch, updates, value)).
 */
export function tieDigit(epoch: number, updates: number, value: number, keep: number): number {
  const seed = hashOfTuple([BigInt(epoch), BigInt(updates), hashOfFloat(value)]) % 1e6;
  return new NumpyRandom(Math.trunc(seed < 0 ? seed + 1e6 : seed)).randint(0, keep);
}

const FLOAT_MODULUS = (1n << 61n) - 1n;

/**
 * CPython's hash of a float: its value n / 2^k modulo the prime 2^61 - 1, in which 2^61 = 1.
 * Source: Python/pyhash.c, _Py_HashDouble.
 */
export function hashOfFloat(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  if (!Number.isFinite(value)) return value > 0 ? 314159n : -314159n;
  let numerator = Math.abs(value);
  let k = 0;
  for (; !Number.isInteger(numerator); k++) numerator *= 2;
  const hash = (BigInt(numerator) << BigInt((61 - (k % 61)) % 61)) % FLOAT_MODULUS;
  const signed = value < 0 ? -hash : hash;
  return signed === -1n ? -2n : signed;
}

// xxHash's primes. Source: CPython 3.8+ Objects/tupleobject.c.
const PRIME_1 = 11400714785074694791n;
const PRIME_2 = 14029467366897019727n;
const PRIME_5 = 2870177450012600261n;

/** hash() of a tuple of these hashes, as the float64 that `% 1e6` makes of it. */
function hashOfTuple(lanes: readonly bigint[]): number {
  let hash = PRIME_5;
  for (const lane of lanes) {
    hash = BigInt.asUintN(64, hash + BigInt.asUintN(64, lane) * PRIME_2);
    hash = BigInt.asUintN(64, (hash << 31n) | (hash >> 33n));
    hash = BigInt.asUintN(64, hash * PRIME_1);
  }
  hash = BigInt.asUintN(64, hash + (BigInt(lanes.length) ^ PRIME_5 ^ 3527539n));
  return Number(BigInt.asIntN(64, hash));
}

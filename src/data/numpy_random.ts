/**
 * numpy's legacy RandomState: Mersenne Twister MT19937 with the draws fairseq makes. fairseq shuffles
 * with it, so equal seeds give fairseq's orders bit for bit.
 *
 * Source: Matsumoto and Nishimura 1998; numpy/random/mtrand.pyx for how outputs become numbers.
 */
export class NumpyRandom {
  readonly #state = new Uint32Array(N);
  #next = N;

  /** @param seed a whole number in [0, 2^32), or a list of them as for RandomState([a, b, ...]). */
  constructor(seed: number | readonly number[]) {
    if (typeof seed === "number") this.#seed(seed);
    else this.#seedByArray(seed);
  }

  #seed(seed: number): void {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < N; i++) {
      const last = state[i - 1] ?? 0;
      state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
  }

  #seedByArray(key: readonly number[]): void {
    const state = this.#state;
    this.#seed(19650218);
    const mixed = (i: number): number => {
      const last = state[i - 1] ?? 0;
      return last ^ (last >>> 30);
    };
    let i = 1;
    let j = 0;
    for (let k = Math.max(N, key.length); k > 0; k--) {
      state[i] = ((state[i] ?? 0) ^ Math.imul(mixed(i), 1664525)) + (key[j] ?? 0) + j;
      if (++i >= N) {
        state[0] = state[N - 1] ?? 0;
        i = 1;
      }
      j = (j + 1) % key.length;
    }
    for (let k = N - 1; k > 0; k--) {
      state[i] = ((state[i] ?? 0) ^ Math.imul(mixed(i), 1566083941)) - i;
      if (++i >= N) {
        state[0] = state[N - 1] ?? 0;
        i = 1;
      }
    }
    state[0] = 0x80000000;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < N; i++) {
      const y = ((state[i] ?? 0) & 0x80000000) | ((state[(i + 1) % N] ?? 0) & 0x7fffffff);
      state[i] = (state[(i + M) % N] ?? 0) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }

  /** The next raw output, in [0, 2^32). */
  uint32(): number {
    if (this.#next >= N) this.#twist();
    let y = this.#state[this.#next++] ?? 0;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** rand(): uniform in [0, 1) with 53 bits, two outputs. */
  random(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.random();
  }

  /** Uniform in [0, max], max < 2^32: masked outputs until one fits; none are drawn for max 0. */
  interval(max: number): number {
    if (max === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(max);
    for (;;) {
      const value = (this.uint32() & mask) >>> 0;
      if (value <= max) return value;
    }
  }

  /** randint(low, high): uniform in [low, high). */
  randint(low: number, high: number): number {
    return low + this.interval(high - low - 1);
  }

  /** shuffle(list), in place. */
  shuffle<T>(items: T[] | Int32Array): void {
    const list = items as T[];
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.interval(i);
      const kept = list[i] as T;
      list[i] = list[j] as T;
      list[j] = kept;
    }
  }

  /** permutation(n). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    this.shuffle(order);
    return order;
  }

  /** choice(n, size, replace) with equal probabilities. */
  choice(n: number, size: number, replace = true): Int32Array {
    if (!replace) return this.permutation(n).slice(0, size);
    return Int32Array.from({ length: size }, () => this.randint(0, n));
  }
}

const N = 624;
const M = 397;

/**
 * The seed of fairseq's `numpy_seed(seed, ...more)`: `int(hash((seed, ...more)) % 1e6)`. It makes a
 * draw a function of (seed, epoch, index) alone. One number is its own seed.
 *
 * Source: CPython 3.8+ Objects/tupleobject.c (xxHash over 64 bits); hashes go through float64.
 */
export function tupleSeed(seed: number, ...more: number[]): number {
  if (more.length === 0) return seed;
  let hash = PRIME_5;
  for (const item of [seed, ...more]) {
    const lane = BigInt(item === -1 ? -2 : item);
    hash = BigInt.asUintN(64, hash + lane * PRIME_2);
    hash = BigInt.asUintN(64, (hash << 31n) | (hash >> 33n));
    hash = BigInt.asUintN(64, hash * PRIME_1);
  }
  hash = BigInt.asUintN(64, hash + (BigInt(more.length + 1) ^ PRIME_5 ^ 3527539n));
  // hash() never gives -1, CPython's mark of an error.
  const signed = BigInt.asIntN(64, hash) === -1n ? 1546275796 : Number(BigInt.asIntN(64, hash));
  const remainder = signed % 1e6;
  return Math.trunc(remainder < 0 ? remainder + 1e6 : remainder);
}

const PRIME_1 = 11400714785074694791n;
const PRIME_2 = 14029467366897019727n;
const PRIME_5 = 2870177450012600261n;

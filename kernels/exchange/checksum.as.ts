// A checksum of bytes that travelled: the rounds of XXH32, but on sixteen lanes, four vectors that do not
// wait for each other. It finds accidents, not forgeries.
//
//   lanes      v[i] = seed + (i + 1) P1,                            i = 0 .. 15
//   stripes    v[i] = rotl(v[i] + w P2, 13) P1,                     w = word i of each whole 64 bytes
//   gathering  h = seed + bytes + P5; then h = rotl(h + v[i] P3, 17) P4 for every lane in order
//   rest       h = rotl(h + w P3, 17) P4 for every whole word left, h = rotl(h + b P5, 11) P1 for every byte
//   spreading  h ^= h >> 15; h *= P2; h ^= h >> 13; h *= P3; h ^= h >> 16
//
// All arithmetic is modulo 2^32, words are little-endian, P1 to P5 are XXH32's primes. Each step is
// invertible in what it takes in and in what it had: bytes that differ in one word only (or in one of the
// last three bytes) never have the same checksum. Others that differ have it by chance, once in 2^32.

const P1: u32 = 0x9e3779b1;
const P2: u32 = 0x85ebca77;
const P3: u32 = 0xc2b2ae3d;
const P4: u32 = 0x27d4eb2f;
const P5: u32 = 0x165667b1;

/** Four lanes take four words. */
@inline
function take(lanes: v128, address: usize): v128 {
  const x = i32x4.add(lanes, i32x4.mul(v128.load(address), i32x4.splat(P2)));
  return i32x4.mul(v128.or(i32x4.shl(x, 13), i32x4.shr_u(x, 19)), i32x4.splat(P1));
}

@inline
function takeWord(h: u32, word: u32): u32 {
  return rotl<u32>(h + word * P3, 17) * P4;
}

/** The four lanes in order. */
@inline
function gather(h: u32, lanes: v128): u32 {
  h = takeWord(h, i32x4.extract_lane(lanes, 0));
  h = takeWord(h, i32x4.extract_lane(lanes, 1));
  h = takeWord(h, i32x4.extract_lane(lanes, 2));
  return takeWord(h, i32x4.extract_lane(lanes, 3));
}

/**
 * Memory: reads that many bytes, at any address. Work: one pass, 64 bytes at a time.
 *
 * @returns 32 bits without a sign: `>>> 0` in JavaScript.
 */
export function checksum(address: usize, bytes: u32, seed: u32): u32 {
  const first = i32x4.splat(seed);
  let a = i32x4.add(first, i32x4(1 * P1, 2 * P1, 3 * P1, 4 * P1));
  let b = i32x4.add(first, i32x4(5 * P1, 6 * P1, 7 * P1, 8 * P1));
  let c = i32x4.add(first, i32x4(9 * P1, 10 * P1, 11 * P1, 12 * P1));
  let d = i32x4.add(first, i32x4(13 * P1, 14 * P1, 15 * P1, 16 * P1));
  let rest = bytes;
  for (; rest >= 64; rest -= 64) {
    a = take(a, address);
    b = take(b, address + 16);
    c = take(c, address + 32);
    d = take(d, address + 48);
    address += 64;
  }
  let h = gather(gather(gather(gather(seed + bytes + P5, a), b), c), d);
  for (; rest >= 4; rest -= 4) {
    h = takeWord(h, load<u32>(address));
    address += 4;
  }
  for (; rest > 0; rest--) {
    h = rotl<u32>(h + <u32>load<u8>(address) * P5, 11) * P1;
    address += 1;
  }
  h ^= h >> 15;
  h *= P2;
  h ^= h >> 13;
  h *= P3;
  return h ^ (h >> 16);
}

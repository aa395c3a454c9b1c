/**
 * Philox 4x32-10 (Salmon et al. 2011): four random words from a 128-bit counter and a 64-bit key. The
 * same counter and key always give the same words, so nothing needs to be remembered or saved.
 */
export function philox(counter: readonly number[], key: readonly [number, number]): Uint32Array {
  const words = Uint32Array.from(counter);
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const a = BigInt(0xd2511f53) * BigInt(words[0]);
    const b = BigInt(0xcd9e8d57) * BigInt(words[2]);
    const [c1, c3] = [words[1], words[3]];
    words[0] = Number(b >> 32n) ^ c1 ^ k0;
    words[1] = Number(b & 0xffffffffn);
    words[2] = Number(a >> 32n) ^ c3 ^ k1;
    words[3] = Number(a & 0xffffffffn);
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return words;
}

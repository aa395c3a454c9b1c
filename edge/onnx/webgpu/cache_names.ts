/** What attention keeps for each of the decoder's layers; prefixes say of whom. */
export const cacheNames = (layers: number): string[] =>
  Array.from({ length: layers }, (_, n) => [`key_${n}`, `value_${n}`]).flat();

/**
 * Replaces each unknown word by the source word it is aligned to, translated by the alignment dictionary
 * where that has it and copied otherwise. The position after the last source word stands for `<eos>`.
 *
 * @param words target words, before word pieces are joined.
 * @param sources for each target word its source position, counted without padding; -1 leaves it alone.
 */
export function replaceUnknown(
  words: readonly string[],
  sourceWords: readonly string[],
  sources: ArrayLike<number>,
  dictionary: ReadonlyMap<string, string>,
  unknown: string,
): string[] {
  return words.map((word, i) => {
    if (word !== unknown || !(sources[i] >= 0)) return word;
    const source = sources[i] < sourceWords.length ? sourceWords[sources[i]] : "<eos>";
    return dictionary.get(source) ?? source;
  });
}

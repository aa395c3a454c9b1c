import { Dictionary } from "../data/dictionary.ts";
import type { Task } from "../tasks/task.ts";

/**
 * The first symbol in which a checkpoint's dictionaries differ from those of the data, in words.
 * Embeddings belong to the symbols' numbers; how often a symbol was counted does not matter.
 *
 * @param saved texts by language, as a checkpoint keeps them.
 * @returns undefined if there is no difference.
 */
export function differenceOfDictionaries(
  saved: Readonly<Record<string, string>>,
  task: Task,
): string | undefined {
  for (const [language, given] of Object.entries(task.dictionaryTexts())) {
    const text = saved[language];
    if (text === undefined) return `it has no dictionary of ${language}`;
    const [ours, theirs] = [given, text].map((t) => Dictionary.parse(t, language).symbols);
    const at = theirs.findIndex((symbol, index) => symbol !== ours[index]);
    if (at < 0 && ours.length === theirs.length) continue;
    const place = at < 0 ? theirs.length : at;
    const show = (symbol: string | undefined) => (symbol === undefined ? "none" : `"${symbol}"`);
    return `symbol ${place} of its ${language} dictionary is ${show(theirs[place])}, the data's is ${show(ours[place])}`;
  }
  return undefined;
}

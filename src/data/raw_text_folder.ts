import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../config/user_error.ts";

/** Parallel text found in a folder; spread it into prepareRawText()'s options. */
export interface RawTextFolder {
  sourceLang: string;
  targetLang: string;
  trainpref: string;
  validpref?: string;
  testpref?: string;
}

/**
 * Finds parallel text in a folder: train.LANG and train.OTHER, and likewise valid, valid1, ..., test,
 * test1, ... where there are such files.
 *
 * @returns undefined if the folder has no training text, or is one that weft preprocess wrote.
 * @throws UserError if the languages are not clear, or a text lacks its other side.
 */
export function findRawText(
  folder: string,
  sourceLang?: string,
  targetLang?: string,
): RawTextFolder | undefined {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return undefined;
  const names = readdirSync(folder).sort();
  if (names.some((name) => /^dict\..*txt$/.test(name))) return undefined;
  const languages = names.flatMap((name) => /^train\.([^.]+)$/.exec(name)?.[1] ?? []);
  if (languages.length === 0) return undefined;
  const others = (known: string): string[] => languages.filter((language) => language !== known);
  const source = sourceLang ?? onlyOne(targetLang === undefined ? [] : others(targetLang));
  const target = targetLang ?? onlyOne(sourceLang === undefined ? [] : others(sourceLang));
  if (source === undefined || target === undefined) {
    throw new UserError({
      place: folder,
      problem: `which of ${languages.join(", ")} is translated into which is not said`,
      remedy: "name them: --source-lang en --target-lang de",
    });
  }
  const prefixes = (split: string): string | undefined => {
    const found: string[] = [];
    for (let k = 0; ; k++) {
      const prefix = join(folder, k === 0 ? split : `${split}${k}`);
      const files = [`${prefix}.${source}`, `${prefix}.${target}`];
      const absent = files.find((file) => !existsSync(file));
      if (absent === undefined) found.push(prefix);
      else if (files.every((file) => !existsSync(file))) return found.join(",") || undefined;
      else throw withoutPartner(absent);
    }
  };
  return {
    sourceLang: source,
    targetLang: target,
    trainpref: join(folder, "train"),
    validpref: prefixes("valid"),
    testpref: prefixes("test"),
  };
}

const withoutPartner = (absent: string): UserError =>
  new UserError({
    place: absent,
    problem: "there is no such file, only that of the other language",
    remedy: "add it, or take the other one away",
  });

const onlyOne = (values: readonly string[]): string | undefined =>
  values.length === 1 ? values[0] : undefined;

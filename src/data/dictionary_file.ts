import { readFileSync, writeFileSync } from "node:fs";
import { UserError } from "../config/user_error.ts";
import { Dictionary, type SpecialSymbols } from "./dictionary.ts";
import { decodeUtf8 } from "./utf8.ts";

/** @throws UserError if the file is missing, not UTF-8, or malformed (naming the line). */
export function loadDictionary(path: string, specials?: SpecialSymbols): Dictionary {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new UserError({
      place: path,
      problem: `the dictionary cannot be read (${(cause as Error).message})`,
      remedy: "give the data folder that weft preprocess wrote, or the path of a dict.*.txt file",
    });
  }
  return Dictionary.parse(decodeUtf8(bytes, path), path, specials);
}

/** Writes the dictionary in fairseq's format. */
export function saveDictionary(dictionary: Dictionary, path: string): void {
  writeFileSync(path, dictionary.serialize());
}

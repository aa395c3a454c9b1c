import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../config/cache_folder.ts";
import { UserError } from "../config/user_error.ts";
import { learnJointBpe } from "./bpe/learn_joint_bpe.ts";
import { SubwordNmt } from "./bpe/subword_nmt.ts";
import { checkParallel, preprocess } from "./preprocess.ts";
import { checkText, type PreprocessOptions, PreprocessPaths } from "./preprocess_options.ts";
import { readTextLines } from "./text_lines.ts";

/** Parallel text and how it becomes data. Names as in weft preprocess. */
export interface RawTextOptions extends Omit<PreprocessOptions, "destdir" | "alignfile"> {
  trainpref: string;
  /** Cut words with this codes file first. */
  bpeCodes?: string;
  /** Learn a codes file with this many merges from the training text, and cut words with it. */
  bpeSymbols?: number;
  /** Folder of all caches; cacheFolder() where not given. */
  cache?: string;
}

/** A data folder made from text, or found from an earlier run. */
export interface PreparedText {
  /** For openLanguagePairFolder(). */
  folder: string;
  /** Codes file inside the folder, if words were cut. */
  codes?: string;
  /** Whether an earlier run had made it. */
  reused: boolean;
}

/** Part of every key: a change here makes all cached folders again. */
const FORMAT = 1;
const CODES = "bpe.codes";

/**
 * Binarises text into a cache folder named after the content of all files and the options, or finds
 * it there. The folder appears whole or not at all, however the process ends.
 *
 * @param log takes the lines of preprocess().
 * @throws UserError as preprocess() does.
 */
export async function prepareRawText(
  options: RawTextOptions,
  log: (line: string) => void = () => undefined,
): Promise<PreparedText> {
  const { cache = cacheFolder(), bpeCodes, bpeSymbols, workers: _, ...how } = options;
  if (bpeCodes !== undefined && bpeSymbols !== undefined) {
    throw new UserError({
      place: "--bpe-codes",
      problem: "--bpe-symbols is given too",
      remedy: "either use a codes file or learn one",
    });
  }
  const texts = textsOf(options);
  const folder = join(cache, `text-${cacheKey(texts, how, bpeCodes, bpeSymbols)}`);
  const cut = bpeCodes !== undefined || bpeSymbols !== undefined;
  const prepared = { folder, codes: cut ? join(folder, CODES) : undefined };
  if (existsSync(folder)) return { ...prepared, reused: true };
  // Here, where the files have the names that the user knows: words are cut into other files.
  if (!options.onlySource) checkParallel(new PreprocessPaths({ ...options, destdir: "" }));

  mkdirSync(cache, { recursive: true });
  const unfinished = mkdtempSync(join(cache, ".unfinished-"));
  try {
    const destdir = join(unfinished, "data");
    mkdirSync(destdir);
    const source = cut ? cutWords(options, texts, unfinished, destdir) : options;
    // The folder is named otherwise when it is finished, and cut words lie beside it for a moment only.
    const tell = (line: string) =>
      log(line.replaceAll(destdir, folder).replaceAll(join(unfinished, "/"), ""));
    await preprocess({ ...source, destdir, alignfile: undefined }, tell);
    publish(destdir, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return { ...prepared, reused: false };
}

/** Another process may have been faster: then its folder serves, having the same content. */
function publish(finished: string, folder: string): void {
  try {
    renameSync(finished, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
}

interface Text {
  split: string;
  language: string | undefined;
  path: string;
}

function textsOf(options: RawTextOptions): Text[] {
  const { sourceLang, targetLang, onlySource } = options;
  const paths = new PreprocessPaths({ ...options, destdir: "" });
  const languages = onlySource ? [sourceLang] : [sourceLang, targetLang];
  const texts = paths
    .splits()
    .flatMap(({ split, prefix }) =>
      languages.map((language) => ({ split, language, path: paths.text(prefix, language) })),
    );
  for (const { path } of texts) checkText(path);
  return texts;
}

/** Writes the texts cut into pieces below `folder`, and the codes file into `destdir`. */
function cutWords(
  options: RawTextOptions,
  texts: readonly Text[],
  folder: string,
  destdir: string,
): RawTextOptions {
  const read = (path: string): string => `${readTextLines(path).join("\n")}\n`;
  const training = texts.filter(({ split }) => split === "train").map(({ path }) => read(path));
  const codes =
    options.bpeCodes !== undefined
      ? read(options.bpeCodes)
      : learnJointBpe(training, { symbols: options.bpeSymbols ?? 0 }).codes;
  writeFileSync(join(destdir, CODES), codes);
  const bpe = new SubwordNmt(codes, options.bpeCodes ?? CODES);
  for (const { split, language, path } of texts) {
    const name = language === undefined ? split : `${split}.${language}`;
    const pieces = readTextLines(path).map((line) => `${bpe.processLine(line)}\n`);
    writeFileSync(join(folder, name), pieces.join(""));
  }
  const splits = [...new Set(texts.map(({ split }) => split))];
  const prefixes = (name: string): string | undefined =>
    splits
      .filter((split) => split.replace(/\d+$/, "") === name)
      .map((split) => join(folder, split))
      .join(",") || undefined;
  return {
    ...options,
    trainpref: join(folder, "train"),
    validpref: prefixes("valid"),
    testpref: prefixes("test"),
    // Alignments count words, which are pieces now.
    alignSuffix: undefined,
  };
}

/** Hash of contents and options; paths do not matter, the names of the splits do. */
function cacheKey(
  texts: readonly Text[],
  how: Partial<RawTextOptions>,
  bpeCodes: string | undefined,
  bpeSymbols: number | undefined,
): string {
  const { trainpref, validpref, testpref, srcdict, tgtdict, alignSuffix, ...settings } = how;
  const files = texts.map(({ split, language, path }) => ({ name: `${split}.${language}`, path }));
  for (const path of [srcdict, tgtdict, bpeCodes]) {
    if (path !== undefined) files.push({ name: "given", path });
  }
  if (alignSuffix !== undefined) {
    for (const { split, prefix } of new PreprocessPaths({ ...how, destdir: "" }).splits()) {
      const path = `${prefix}.${alignSuffix}`;
      if (existsSync(path)) files.push({ name: `${split}.align`, path });
    }
  }
  const options = Object.entries({
    ...settings,
    bpeSymbols,
    given: [!!srcdict, !!tgtdict, !!bpeCodes],
  })
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const contents = files.map(({ name, path }) => [name, hashFile(path)]);
  return createHash("sha256")
    .update(JSON.stringify([FORMAT, options, contents]))
    .digest("hex")
    .slice(0, 32);
}

function hashFile(path: string): string {
  const hash = createHash("sha256");
  const descriptor = openSync(path, "r");
  try {
    const block = new Uint8Array(1 << 20);
    for (;;) {
      const got = readSync(descriptor, block, 0, block.length, null);
      if (got === 0) return hash.digest("hex");
      hash.update(block.subarray(0, got));
    }
  } finally {
    closeSync(descriptor);
  }
}

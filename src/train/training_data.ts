import { statSync } from "node:fs";
import type { DatasetConfig } from "../config/schemas/dataset.ts";
import type { RawTextConfig } from "../config/schemas/raw_text.ts";
import { UserError } from "../config/user_error.ts";
import { prepareRawText } from "../data/raw_text_cache.ts";
import { findRawText } from "../data/raw_text_folder.ts";

/** The languages that the task names, if it does. */
export interface NamedLanguages {
  readonly source_lang?: string;
  readonly target_lang?: string;
}

/**
 * The folder of binarised data to train on: the one that is given, or what raw text in it becomes,
 * in a cache named after its content.
 *
 * @param say hears where the cache is.
 * @throws UserError if the text is damaged, or options for text are given beside binarised data.
 */
export async function trainingData(
  { data }: DatasetConfig,
  config: RawTextConfig,
  languages: NamedLanguages,
  say: (line: string) => void,
): Promise<string> {
  const folders = data.split(":");
  const { source_lang, target_lang } = languages;
  const [text] = folders.flatMap((folder) => findRawText(folder, source_lang, target_lang) ?? []);
  if (text === undefined) {
    refuseTextOptions(data, config);
    return data;
  }
  if (folders.length > 1) {
    throw new UserError({
      place: data,
      problem: "several folders are given, and raw text is among them",
      remedy:
        "binarise each with weft preprocess, the later ones with the first one's dictionaries",
    });
  }
  for (const key of ["bpe_codes", "srcdict", "tgtdict"] as const) refuseAbsent(key, config[key]);
  const { folder, codes, reused } = await prepareRawText(
    {
      ...text,
      bpeCodes: config.bpe_codes,
      bpeSymbols: config.bpe_symbols,
      joinedDictionary: config.joined_dictionary,
      thresholdsrc: config.thresholdsrc,
      thresholdtgt: config.thresholdtgt,
      nwordssrc: config.nwordssrc,
      nwordstgt: config.nwordstgt,
      srcdict: config.srcdict,
      tgtdict: config.tgtdict,
      paddingFactor: config.padding_factor,
      workers: config.workers,
    },
    say,
  );
  say(`${data} is raw text: ${reused ? "found binarised in" : "binarised into"} ${folder}`);
  if (codes !== undefined) say(`codes that cut its words: ${codes}`);
  return folder;
}

function refuseTextOptions(data: string, { bpe_codes, bpe_symbols }: RawTextConfig): void {
  if (bpe_codes === undefined && bpe_symbols === undefined) return;
  throw new UserError({
    place: bpe_codes === undefined ? "--bpe-symbols" : "--bpe-codes",
    problem: `${data} holds no raw text whose words could be cut`,
    remedy: "give a folder with train.LANG and train.OTHER, or leave the flag out",
  });
}

function refuseAbsent(key: string, path: string | undefined): void {
  const found = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path === undefined || found?.isFile()) return;
  throw new UserError({
    place: `--${key.replaceAll("_", "-")} ${path}`,
    problem: found ? "is no file" : "there is no such file",
    remedy: "check the path",
  });
}

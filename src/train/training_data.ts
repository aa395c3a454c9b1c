import { statSync } from "node:fs";
import type { DatasetConfig } from "../config/schemas/dataset.ts";
import { type RawTextConfig, rawText } from "../config/schemas/raw_text.ts";
import { UserError } from "../config/user_error.ts";
import { prepareRawText } from "../data/raw_text_cache.ts";
import { findRawText, type RawTextFolder } from "../data/raw_text_folder.ts";

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
  dataset: DatasetConfig,
  config: RawTextConfig,
  languages: NamedLanguages,
  say: (line: string) => void,
): Promise<string> {
  const { data } = dataset;
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
  refuseWithoutValidation(data, text, dataset);
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

function refuseTextOptions(data: string, config: RawTextConfig): void {
  const unset = rawText.parse({});
  const keys = Object.keys(rawText.shape) as (keyof RawTextConfig)[];
  const key = keys.find((name) => config[name] !== unset[name]);
  if (key === undefined) return;
  throw new UserError({
    place: `--${key.replaceAll("_", "-")}`,
    problem: `it is for raw text, and ${data} holds none`,
    remedy: "give a folder with train.LANG and train.OTHER, or leave the flag out",
  });
}

/** A run that will validate needs the text for it. */
function refuseWithoutValidation(data: string, text: RawTextFolder, config: DatasetConfig): void {
  if (text.validpref !== undefined || config.disable_validation) return;
  if (!config.valid_subset.split(",").includes("valid")) return;
  throw new UserError({
    place: data,
    problem: `has no valid.${text.sourceLang} beside its training text`,
    remedy: "put text to validate on there in both languages, or pass --disable-validation",
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

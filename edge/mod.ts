// `weft/edge`: a bundle's translations as a function, on Bun and Deno (and Node, once it is bundled). Browsers and workers, which
// have no files, give `openTranslator` their own source and compiled kernels.
import { fileURLToPath } from "node:url";
import { compileKernels } from "./platforms/file_kernels.ts";
import { folderSource } from "./platforms/folder_source.ts";
import { urlSource } from "./platforms/url_source.ts";
import type { BundleSource } from "./runtime/bundle.ts";
import { openTranslator } from "./runtime/open_translator.ts";
import type { EdgeTranslator, RequestOptions, TextResult } from "./runtime/translator.ts";

export { UserError } from "../src/config/user_error.ts";
export { Bundle, type BundleSource } from "./runtime/bundle.ts";
export type { Card, Manifest } from "./runtime/manifest.ts";
export { openTranslator } from "./runtime/open_translator.ts";
export type {
  EdgeTranslator,
  HypothesisResult,
  RequestOptions,
  SearchOptions,
  SentenceResult,
  TextResult,
  TokenScore,
} from "./runtime/translator.ts";
export { compileKernels, folderSource, urlSource };

/** A folder, an http(s) address, or anything that files can be read from. */
export type BundlePlace = string | URL | BundleSource;

export interface TranslateOptions extends RequestOptions {
  readonly bundle: BundlePlace;
}

const opened = new Map<BundlePlace, Promise<EdgeTranslator>>();

/**
 * Loads a bundle. Close it when it is no longer needed.
 *
 * @example
 * const translator = await open("bundle/");
 * const { hypotheses } = await translator.generate("Hello.", { beam: 4, nbest: 4 });
 * translator.close();
 *
 * @throws UserError naming the file that is missing or damaged.
 */
export async function open(bundle: BundlePlace): Promise<EdgeTranslator> {
  return openTranslator(sourceOf(bundle), await compileKernels());
}

/**
 * Translates a text. The bundle is loaded with the first call that names it and kept; calls that
 * run at the same time share the decoder's steps.
 *
 * @example
 * const { text } = await translate("Hello. How are you?", { bundle: "bundle/" });
 *
 * @throws UserError for a bundle that is damaged, a sentence that is too long, an option that will not do.
 */
export async function translate(
  text: string,
  { bundle, ...options }: TranslateOptions,
): Promise<TextResult> {
  const key = bundle instanceof URL ? bundle.href : bundle;
  let translator = opened.get(key);
  if (translator === undefined) {
    translator = open(bundle);
    opened.set(key, translator);
    // A bundle that was refused may be whole the next time.
    translator.catch(() => opened.delete(key));
  }
  return (await translator).translate(text, options);
}

function sourceOf(bundle: BundlePlace): BundleSource {
  if (typeof bundle !== "string" && !(bundle instanceof URL)) return bundle;
  const place = String(bundle);
  if (/^https?:/.test(place)) return urlSource(place);
  return folderSource(place.startsWith("file:") ? fileURLToPath(place) : place);
}

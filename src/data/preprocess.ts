import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { UserError } from "../config/user_error.ts";
import { alignmentTable, parseAlignment } from "./alignment_text.ts";
import { Dictionary } from "./dictionary.ts";
import { loadDictionary, saveDictionary } from "./dictionary_file.ts";
import { createDataset, type DatasetImpl } from "./indexed_dataset.ts";
import { countLines } from "./line_ranges.ts";
import { formatPercentage } from "./percentage.ts";
import {
  checkPreprocessOptions,
  checkText,
  type PreprocessOptions,
  PreprocessPaths,
} from "./preprocess_options.ts";
import { readTextLines } from "./text_lines.ts";
import { TextWorkers } from "./text_workers.ts";

/** What a binarised text came to. */
export interface BinarizeSummary {
  sentences: number;
  /** Ends of sentences included. */
  tokens: number;
  /** Words that became unk. */
  replaced: number;
}

/** fairseq's words for it: "2 sents, 7 tokens, 28.6% replaced". */
export function summaryText({ sentences, tokens, replaced }: BinarizeSummary): string {
  const percentage = formatPercentage((100 * replaced) / tokens);
  return `${sentences} sents, ${tokens} tokens, ${percentage}% replaced`;
}

/**
 * Builds dictionaries and binarises parallel or monolingual text: fairseq-preprocess, with its
 * files byte for byte. If it fails, no file of it is left behind.
 *
 * @param log takes fairseq's log lines, also kept in DESTDIR/preprocess.log.
 * @throws UserError for options or texts that cannot be used.
 */
export async function preprocess(
  options: PreprocessOptions,
  log: (line: string) => void = () => undefined,
): Promise<void> {
  checkPreprocessOptions(options);
  const paths = new PreprocessPaths(options);
  if (!options.onlySource) checkParallel(paths);
  const lines: string[] = [];
  const run = new PreprocessRun(options, paths, (line) => {
    lines.push(`${line}\n`);
    log(line);
  });
  const before = namesIn(options.destdir);
  try {
    await run.all();
    writeFileSync(join(options.destdir, "preprocess.log"), lines.join(""));
  } catch (error) {
    removeNew(options.destdir, before);
    throw explainWriteFailure(error, options.destdir);
  } finally {
    run.close();
  }
}

/** Names in a folder; undefined if there is none. */
const namesIn = (folder: string): Set<string> | undefined =>
  existsSync(folder) && statSync(folder).isDirectory() ? new Set(readdirSync(folder)) : undefined;

/** Half a data set would stand in the way of the next try. */
function removeNew(folder: string, before: ReadonlySet<string> | undefined): void {
  const now = namesIn(folder);
  if (now === undefined) return;
  for (const name of now) {
    if (!before?.has(name)) rmSync(join(folder, name), { recursive: true });
  }
  if (before === undefined) rmdirSync(folder);
}

/** A full disk or a folder that cannot be written is for the user to mend. */
function explainWriteFailure(error: unknown, destdir: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  return new UserError({
    place: "path" in error ? String(error.path) : destdir,
    problem: `it cannot be written (${error.message})`,
    remedy: "make room or choose another --destdir, then run weft preprocess again",
  });
}

/** @throws UserError naming the first line that has no partner. */
export function checkParallel(paths: PreprocessPaths): void {
  const { sourceLang, targetLang } = paths.options;
  for (const { prefix } of paths.splits()) {
    const files = [paths.text(prefix, sourceLang), paths.text(prefix, targetLang)];
    const [a = 0, b = 0] = files.map(countLines);
    if (a === b) continue;
    const [longer, shorter] = a > b ? files : files.toReversed();
    throw new UserError({
      place: `${longer}:${Math.min(a, b) + 1}`,
      problem: `the line has no partner: ${shorter} ends after line ${Math.min(a, b)}, this file has ${Math.max(a, b)}`,
      remedy: "give texts whose lines correspond",
    });
  }
}

class PreprocessRun {
  readonly #workers: TextWorkers;

  constructor(
    readonly options: PreprocessOptions,
    readonly paths: PreprocessPaths,
    readonly log: (line: string) => void,
  ) {
    this.#workers = new TextWorkers(options.workers ?? 1);
  }

  close(): void {
    this.#workers.close();
  }

  async all(): Promise<void> {
    const { options, paths } = this;
    const { sourceLang, targetLang, onlySource, destdir } = options;
    const { source, target } = await this.#dictionaries();
    mkdirSync(destdir, { recursive: true });
    saveDictionary(source, paths.dictionary(sourceLang));
    if (target) saveDictionary(target, paths.dictionary(targetLang));
    if (options.dictOnly) return;
    await this.#binarizeLanguage(sourceLang, source);
    if (target) await this.#binarizeLanguage(targetLang, target);
    if (options.alignSuffix !== undefined) this.#binarizeAlignments(options.alignSuffix);
    this.log(`Wrote preprocessed data to ${destdir}`);
    if (options.alignfile !== undefined && target && !onlySource) {
      const trainpref = options.trainpref ?? "";
      const files = {
        alignments: options.alignfile,
        source: paths.text(trainpref, sourceLang),
        target: paths.text(trainpref, targetLang),
      };
      writeFileSync(paths.alignmentTable(), alignmentTable(files, source, target));
    }
  }

  async #dictionaries(): Promise<{ source: Dictionary; target?: Dictionary }> {
    const { options, paths } = this;
    const { sourceLang, targetLang, srcdict, tgtdict, onlySource, trainpref = "" } = options;
    const ofSource = paths.text(trainpref, sourceLang);
    const ofTarget = paths.text(trainpref, targetLang);
    const forSource = { threshold: options.thresholdsrc, nwords: options.nwordssrc };
    const forTarget = { threshold: options.thresholdtgt, nwords: options.nwordstgt };
    if (options.joinedDictionary) {
      const given = srcdict ?? tgtdict;
      const texts = onlySource ? [ofSource] : [...new Set([ofSource, ofTarget])];
      const source = given ? loadDictionary(given) : await this.#build(texts, forSource);
      return { source, target: onlySource ? undefined : source };
    }
    const source = srcdict ? loadDictionary(srcdict) : await this.#build([ofSource], forSource);
    if (onlySource) return { source };
    const target = tgtdict ? loadDictionary(tgtdict) : await this.#build([ofTarget], forTarget);
    return { source, target };
  }

  async #build(
    texts: readonly string[],
    limits: { threshold?: number; nwords?: number },
  ): Promise<Dictionary> {
    const dictionary = new Dictionary();
    for (const text of texts) {
      for await (const { words, counts, lines } of this.#workers.count(text)) {
        for (const [i, word] of words.entries()) dictionary.addSymbol(word, counts[i]);
        dictionary.addSymbol(dictionary.symbol(dictionary.eosIndex), lines);
      }
    }
    dictionary.finalize({ ...limits, paddingFactor: this.options.paddingFactor });
    return dictionary;
  }

  async #binarizeLanguage(lang: string | undefined, dictionary: Dictionary): Promise<void> {
    const { paths } = this;
    const impl = this.options.datasetImpl ?? "mmap";
    for (const { split, prefix } of paths.splits()) {
      const text = paths.text(prefix, lang);
      if (impl === "raw") {
        copyFileSync(text, paths.dataset(split, lang));
        continue;
      }
      this.log(`[${lang ?? "None"}] Dictionary: ${dictionary.length} types`);
      const summary = await this.#binarize(text, paths.dataset(split, lang), dictionary);
      this.log(`[${lang ?? "None"}] ${text}: ${summaryText(summary)} (by ${dictionary.unkWord})`);
    }
  }

  async #binarize(text: string, prefix: string, dictionary: Dictionary): Promise<BinarizeSummary> {
    const impl = (this.options.datasetImpl ?? "mmap") as DatasetImpl;
    const writer = createDataset(prefix, impl, dictionary.length);
    const bytes = writer.elementType.bytes;
    const summary = { sentences: 0, tokens: 0, replaced: 0 };
    const settings = {
      symbols: dictionary.symbols,
      eos: dictionary.eosIndex,
      unk: dictionary.unkIndex,
      bytes: bytes === 2 ? (2 as const) : (4 as const),
    };
    for await (const { elements, sizes, replaced } of this.#workers.encode(text, settings)) {
      writer.addEncoded(elements, sizes);
      summary.sentences += sizes.length;
      summary.tokens += elements.length / bytes;
      summary.replaced += replaced;
    }
    writer.finish();
    return summary;
  }

  #binarizeAlignments(suffix: string): void {
    const { paths, options } = this;
    for (const { split, prefix } of paths.splits()) {
      const text = `${prefix}.${suffix}`;
      // As in fairseq, a split without a file of alignments has none.
      if (!existsSync(text)) continue;
      checkText(text);
      const impl = (options.datasetImpl ?? "mmap") as DatasetImpl;
      const writer = createDataset(paths.dataset(`${split}.align`, undefined), impl);
      const lines = readTextLines(text);
      for (const [i, line] of lines.entries()) {
        writer.add(parseAlignment(line, `${text}:${i + 1}`));
      }
      writer.finish();
      this.log(`[alignments] ${text}: parsed ${lines.length} alignments`);
    }
  }
}

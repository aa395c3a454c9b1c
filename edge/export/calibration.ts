// BLEU of a bundle on a text with references: --calibrate.
import { readFileSync } from "node:fs";
import { UserError } from "../../src/config/user_error.ts";
import { SacreBleu } from "../../src/score/sacre_bleu.ts";
import { openTranslator } from "../runtime/open_translator.ts";
import { type BundleFiles, memorySource } from "./bundle_files.ts";

export interface CalibrationText {
  readonly path: string;
  readonly sources: readonly string[];
  readonly references: readonly string[];
}

/** Reads "source<TAB>reference" lines. @throws UserError naming the line that is none. */
export function readCalibration(path: string): CalibrationText {
  const remedy = "give a text with a source, a tab and its reference on each line";
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const problem = `cannot be read: ${(cause as Error).message}`;
    throw new UserError({ place: `--calibrate ${path}`, problem, remedy });
  }
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const pairs = lines.map((line, i) => {
    const columns = line.split("\t");
    if (columns.length === 2) return columns;
    const problem = `${columns.length} columns, not 2`;
    throw new UserError({ place: `${path}:${i + 1}`, problem, remedy });
  });
  return {
    path,
    sources: pairs.map(([source]) => source),
    references: pairs.map(([, reference]) => reference),
  };
}

export interface CalibrationScore {
  readonly score: number;
  readonly signature: string;
}

/**
 * sacreBLEU (13a, case matters) of the best hypotheses.
 *
 * @param advance called after each sentence.
 */
export async function measureBleu(
  files: BundleFiles,
  module: WebAssembly.Module,
  text: CalibrationText,
  beam: number,
  advance: () => void,
): Promise<CalibrationScore> {
  const translator = await openTranslator(memorySource(files, "the bundle"), module);
  try {
    const hypotheses = await Promise.all(
      text.sources.map(async (source) => {
        const { hypotheses } = await translator.generate(source, { beam });
        advance();
        return hypotheses[0].text;
      }),
    );
    const bleu = new SacreBleu();
    for (const [i, hypothesis] of hypotheses.entries()) bleu.add(hypothesis, [text.references[i]]);
    return { score: bleu.score().score, signature: bleu.signature() };
  } finally {
    translator.close();
  }
}

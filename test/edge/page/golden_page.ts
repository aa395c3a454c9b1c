// The tiny bundle that the tests of the page share, and what it says here.
import { compileKernels } from "../../../edge/platforms/file_kernels.ts";
import { folderSource } from "../../../edge/platforms/folder_source.ts";
import { openTranslator } from "../../../edge/runtime/open_translator.ts";
import type { EdgeTranslator, SentenceResult } from "../../../edge/runtime/translator.ts";
import { goldenTransformer } from "../../models/golden_transformer.ts";
import { cpu } from "../../support/devices.ts";
import { writeFiles } from "../platforms.ts";
import { goldenFiles } from "../runtime/golden_bundle.ts";
import type { ShownHypothesis } from "./page_driver.ts";

const golden = goldenTransformer("transformer_prenorm_shared", cpu);

/** Writes the bundle into a folder. */
export async function writeGolden(folder: string, quantize: "int8" | "none"): Promise<string> {
  return writeFiles(folder, await goldenFiles(golden, quantize));
}

export async function openHere(folder: string): Promise<EdgeTranslator> {
  return openTranslator(folderSource(folder), await compileKernels());
}

/** As the page shows hypotheses: scores to 4 decimals, pieces with their numbers. */
export const asShown = ({ hypotheses }: SentenceResult): ShownHypothesis[] =>
  hypotheses.map(({ score, tokens }) => ({
    score: score.toFixed(4),
    tokens: tokens.map(({ token }) => token),
    titles: tokens.map(
      ({ score }) => `probability ${Math.exp(score).toFixed(3)}, logarithm ${score.toFixed(4)}`,
    ),
  }));

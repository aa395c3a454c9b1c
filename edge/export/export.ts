// A checkpoint to a bundle: what weft export does.
import { readFile, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { UserError } from "../../src/config/user_error.ts";
import { type Available, storedComponent } from "../../src/generate/stored_plugins.ts";
import { buildStoredTask, type TaskFlags } from "../../src/generate/stored_task.ts";
import type { TransformerConfig } from "../../src/models/transformer/config.ts";
import type { Task } from "../../src/tasks/task.ts";
import { readModel, resolveStoredModel, type StoredModel } from "../../src/train/load_model.ts";
import { version } from "../../src/version.ts";
import { refuseForeignFolder, replaceFolder } from "../platforms/replace_folder.ts";
import type { Card, Manifest } from "../runtime/manifest.ts";
import type { Quantize } from "./arena.ts";
import { type BundleFiles, type BundleParts, bundleFiles, withCard } from "./bundle_files.ts";
import { type CalibrationText, measureBleu, readCalibration } from "./calibration.ts";
import { architectureOf, modelTensors } from "./model_tensors.ts";

export interface ExportOptions {
  readonly checkpoint: string;
  /** Folder to write. */
  readonly out: string;
  readonly quantize: Quantize;
  readonly ema: boolean;
  /** Folder with dictionaries, for a checkpoint without. */
  readonly data?: string;
  readonly name?: string;
  readonly licence: string;
  readonly tokenizer?: Manifest["text"]["tokenizer"];
  readonly bpe?: BundleParts["bpe"];
  readonly calibrate?: string;
  readonly beam: number;
}

export interface ExportTerminal {
  log(text: string): void;
  progress(label: string, total?: number): { advance(): void; done(): void };
}

/** Models that the runtime computes; transformer_align differs only in which attention is shown. */
const EXPORTED = new Set(["transformer", "transformer_align"]);

/**
 * Reads the checkpoint, quantises it, measures it if asked to, and writes the folder.
 *
 * @returns the card. @throws UserError; a bundle that was there before is then untouched.
 */
export async function exportBundle(
  options: ExportOptions,
  available: Available,
  task: TaskFlags,
  kernels: WebAssembly.Module,
  terminal: ExportTerminal,
): Promise<Card> {
  await refuseForeignFolder(options.out, filesOfBundle);
  const text = options.calibrate === undefined ? undefined : readCalibration(options.calibrate);
  const stored = readModel(options.checkpoint, options.ema);
  const parts = partsOf(stored, options, available, task);
  let files = await bundleFiles(parts, options.quantize);
  let { card } = parts;
  if (text) {
    card = { ...card, scores: [await measure(parts, files, text, options, kernels, terminal)] };
    files = await withCard(files, card);
  }
  await replaceFolder(options.out, async (folder) => {
    for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
  });
  return card;
}

function partsOf(
  stored: StoredModel,
  options: ExportOptions,
  available: Available,
  taskFlags: TaskFlags,
): BundleParts {
  const { checkpoint, data, licence, tokenizer, bpe } = options;
  const { registries } = available;
  const { component } = stored.architecture;
  storedComponent(registries.models, component, stored);
  if (!EXPORTED.has(component)) {
    throw new UserError({
      place: checkpoint,
      problem: `its model is a ${component}, which the edge runtime does not compute`,
      remedy: `export one of: ${[...EXPORTED].join(", ")}`,
    });
  }
  if (data === undefined && stored.architecture.dictionaries === undefined) {
    throw new UserError({
      place: checkpoint,
      problem: "holds no dictionaries",
      remedy: "add --data with the folder that has dict.*.txt",
    });
  }
  const context = { data, datasetImpl: undefined, padToMultiple: 1 };
  const task = buildStoredTask(stored, registries, taskFlags, context);
  const resolved = resolveStoredModel(stored, registries, task.modelContext.padding);
  const config = resolved.config as TransformerConfig;
  const tensors = modelTensors(config, resolved.tensors, checkpoint);
  const distinct = new Map(tensors.map(({ data, shape }) => [data, shape]));
  const parameters = [...distinct.values()].reduce(
    (sum, shape) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const { sourceLang: source_lang, targetLang: target_lang } = task;
  const updates = stored.weights.record?.num_updates;
  const card: Card = {
    name: options.name ?? basename(resolve(options.out)),
    source_lang,
    target_lang,
    licence,
    parameters,
    ...(updates === undefined ? {} : { num_updates: updates }),
    weft: version,
    scores: [],
  };
  const dictionaries = dictionaryTexts(task);
  return { architecture: architectureOf(config), tensors, card, dictionaries, tokenizer, bpe };
}

const dictionaryTexts = (task: Task): Record<string, string> => ({
  [task.sourceLang]: task.sourceDictionary.serialize(),
  [task.targetLang]: task.targetDictionary.serialize(),
});

/** What a folder's manifest lists, if it is one of ours. */
async function filesOfBundle(folder: string): Promise<readonly string[] | undefined> {
  try {
    const text = await readFile(join(folder, "manifest.json"), "utf8");
    const { weft_bundle, files } = JSON.parse(text) as { weft_bundle?: unknown; files?: object };
    return weft_bundle === undefined ? undefined : ["manifest.json", ...Object.keys(files ?? {})];
  } catch {
    return undefined;
  }
}

async function measure(
  parts: BundleParts,
  files: BundleFiles,
  text: CalibrationText,
  { quantize, beam }: ExportOptions,
  kernels: WebAssembly.Module,
  terminal: ExportTerminal,
): Promise<Card["scores"][number]> {
  const bleuOf = async (label: string, measured: BundleFiles) => {
    const progress = terminal.progress(label, text.sources.length);
    try {
      return await measureBleu(measured, kernels, text, beam, () => progress.advance());
    } finally {
      progress.done();
    }
  };
  const { score: after, signature } = await bleuOf(`BLEU with ${quantize}`, files);
  const floats = quantize === "none" ? undefined : await bundleFiles(parts, "none");
  const before = floats ? (await bleuOf("BLEU with float32", floats)).score : after;
  const sentences = text.sources.length;
  const on = basename(text.path);
  terminal.log(
    `${on}: BLEU ${before.toFixed(2)} with float32, ${after.toFixed(2)} with ${quantize}`,
  );
  return { metric: "BLEU", signature, on, sentences, beam, before, after };
}

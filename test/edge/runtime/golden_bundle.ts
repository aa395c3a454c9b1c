// The Transformers of the goldens as bundles in memory.
import { bundleFiles, memorySource } from "../../../edge/export/bundle_files.ts";
import { architectureOf, modelTensors } from "../../../edge/export/model_tensors.ts";
import { compileKernels } from "../../../edge/platforms/file_kernels.ts";
import { Bundle, type BundleSource } from "../../../edge/runtime/bundle.ts";
import type { Card, Manifest } from "../../../edge/runtime/manifest.ts";
import { QuantisedModel } from "../../../edge/runtime/quantised_model.ts";
import { SharedStepDecoder } from "../../../edge/runtime/shared_step_decoder.ts";
import { type GoldenTransformer, knownSettings } from "../../models/golden_transformer.ts";

export const card: Card = {
  name: "golden",
  source_lang: "src",
  target_lang: "tgt",
  licence: "unknown",
  parameters: 0,
  weft: "0",
  scores: [],
};

/** A dictionary file with so many symbols, the four special ones counted: w4, w5, ... */
export const dictionaryText = (symbols: number): string =>
  Array.from({ length: symbols - 4 }, (_, i) => `w${i + 4} ${symbols - i}\n`).join("");

export async function goldenFiles(
  golden: GoldenTransformer,
  quantize: Manifest["quantize"],
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const config = knownSettings(golden.config.model);
  const { source, target } = golden.config.dictionary;
  const parts = {
    architecture: architectureOf(config),
    tensors: modelTensors(config, golden.weights, "golden"),
    card,
    dictionaries: { src: dictionaryText(source), tgt: dictionaryText(target) },
  };
  return new Map(await bundleFiles(parts, quantize));
}

export async function openDecoder(
  source: BundleSource,
  golden: GoldenTransformer,
  kernels?: WebAssembly.Module,
): Promise<SharedStepDecoder> {
  const bundle = await Bundle.open(source);
  const { source: sources, target, pad } = golden.config.dictionary;
  const vocabularies = { source: sources, target };
  const module = kernels ?? (await compileKernels());
  const model = await QuantisedModel.load(bundle, module, vocabularies);
  return new SharedStepDecoder(model, pad);
}

export async function goldenDecoder(
  golden: GoldenTransformer,
  quantize: Manifest["quantize"] = "none",
  kernels?: WebAssembly.Module,
): Promise<SharedStepDecoder> {
  const files = await goldenFiles(golden, quantize);
  return openDecoder(memorySource(files, "golden"), golden, kernels);
}

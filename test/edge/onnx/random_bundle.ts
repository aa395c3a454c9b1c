// Small Transformers of seeded random numbers as bundles in memory, and both engines over them.
import {
  type BundleFiles,
  type BundleParts,
  bundleFiles,
  memorySource,
} from "../../../edge/export/bundle_files.ts";
import { architectureOf, modelTensors } from "../../../edge/export/model_tensors.ts";
import { OnnxModel } from "../../../edge/onnx/onnx_model.ts";
import { OnnxStepDecoder } from "../../../edge/onnx/onnx_step_decoder.ts";
import { compileKernels } from "../../../edge/platforms/file_kernels.ts";
import { compileOnnxRuntime } from "../../../edge/platforms/file_onnxruntime.ts";
import { Bundle } from "../../../edge/runtime/bundle.ts";
import type { Card, Manifest } from "../../../edge/runtime/manifest.ts";
import { QuantisedModel } from "../../../edge/runtime/quantised_model.ts";
import { SharedStepDecoder } from "../../../edge/runtime/shared_step_decoder.ts";
import {
  type TransformerConfig,
  transformerConfig,
} from "../../../src/models/transformer/config.ts";
import { TransformerModel } from "../../../src/models/transformer/transformer.ts";
import { uniqueParameters } from "../../../src/nn/module.ts";
import type { LoadedTensor } from "../../../src/train/checkpoint_weights.ts";
import { seededRandom } from "../../support/random.ts";

export const PADDING = 1;
export const END = 2;

/** Symbols of both dictionaries. */
export const SYMBOLS = 61;

const card: Card = {
  name: "random",
  source_lang: "src",
  target_lang: "tgt",
  licence: "unknown",
  parameters: 0,
  weft: "0",
  scores: [],
};

/** Widths that fill no block of 32, unless others are given. */
const SMALL = {
  encoder_embed_dim: 40,
  encoder_ffn_embed_dim: 72,
  encoder_layers: 2,
  encoder_attention_heads: 4,
  decoder_layers: 2,
  decoder_attention_heads: 4,
  max_source_positions: 64,
  max_target_positions: 64,
};

/**
 * @param change what the trainer's configuration cannot say.
 * @param shardBytes longest file of weights; as exported if undefined.
 */
export async function randomFiles(
  settings: Partial<TransformerConfig>,
  quantize: Manifest["quantize"],
  change: (parts: BundleParts) => BundleParts = (parts) => parts,
  shardBytes?: number,
): Promise<BundleFiles> {
  const config = transformerConfig.parse({ ...SMALL, ...settings });
  const random = seededRandom(17);
  const model = new TransformerModel(config, {
    sourceSymbols: SYMBOLS,
    targetSymbols: SYMBOLS,
    padding: PADDING,
    sharedDictionary: true,
  });
  const tensors = new Map<string, LoadedTensor>();
  for (const [name, { shape }] of uniqueParameters(model)) {
    const size = shape.reduce((product, of) => product * of, 1);
    const gain = /norm.*weight$/.test(name) ? 1 : 0;
    const spread = shape.length === 1 ? 0.2 : 0.25;
    const data = Float32Array.from({ length: size }, () => gain + spread * random.normal());
    tensors.set(name, { shape, dtype: "F32", data });
  }
  const words = Array.from({ length: SYMBOLS - 4 }, (_, i) => `w${i} ${SYMBOLS - i}\n`).join("");
  const parts = {
    architecture: architectureOf(config),
    tensors: modelTensors(config, tensors, "random"),
    card,
    dictionaries: { src: words, tgt: words },
  };
  return bundleFiles(change(parts), quantize, shardBytes);
}

export const runtime = await compileOnnxRuntime();
export const kernels = await compileKernels();

export async function onnxDecoder(files: BundleFiles): Promise<OnnxStepDecoder> {
  const bundle = await Bundle.open(memorySource(files, "random"));
  return new OnnxStepDecoder(await OnnxModel.load(bundle, runtime, SYMBOLS), PADDING);
}

export async function ownDecoder(files: BundleFiles): Promise<SharedStepDecoder> {
  const bundle = await Bundle.open(memorySource(files, "random"));
  const vocabularies = { source: SYMBOLS, target: SYMBOLS };
  return new SharedStepDecoder(await QuantisedModel.load(bundle, kernels, vocabularies), PADDING);
}

// Builds the Transformer of a golden folder on a device, with its weights and its batch.
import { z } from "zod";
import type { Device } from "../../src/device/device.ts";
import type { HostTensor } from "../../src/engine/compile.ts";
import type { FlatParameters } from "../../src/engine/flat_parameters.ts";
import { renameFairseqTensors } from "../../src/interop/fairseq_names.ts";
import { float32Tensor, toFloat32 } from "../../src/interop/stored_tensor.ts";
import { loadParameters } from "../../src/models/load_parameters.ts";
import { bindParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import type { LoadedTensor } from "../../src/train/checkpoint_weights.ts";
import { readGolden } from "../support/golden.ts";
import { readTensors } from "../support/tensors.ts";

interface GoldenConfig {
  readonly model: Readonly<Record<string, unknown>>;
  readonly dictionary: { readonly source: number; readonly target: number; readonly pad: number };
  readonly batch: { readonly ntokens: number; readonly nsentences: number };
}

export interface GoldenTransformer {
  readonly config: GoldenConfig;
  readonly model: TransformerModel;
  readonly parameters: FlatParameters;
  /** By fairseq's names, those of today. */
  readonly weights: ReadonlyMap<string, LoadedTensor>;
  readonly sample: Record<"srcTokens" | "prevOutputTokens" | "target", HostTensor>;
}

/** fairseq's resolved hyperparameters, as far as weft has them; null means unset. */
export function knownSettings(settings: Readonly<Record<string, unknown>>) {
  const known = Object.entries(settings).filter(
    ([key, value]) => key in transformerConfig.shape && value !== null,
  );
  // fairseq keeps --decoder-output-dim as the text that was typed.
  const numbers = known.map(([key, value]) => [key, key.endsWith("_dim") ? Number(value) : value]);
  return transformerConfig.parse(Object.fromEntries(numbers));
}

export function goldenTransformer(name: string, device: Device): GoldenTransformer {
  const folder = `models/${name}`;
  const config = readGolden<GoldenConfig>(`${folder}/config.json`);
  const { source, target, pad } = config.dictionary;
  const model = new TransformerModel(knownSettings(config.model), {
    sourceSymbols: source,
    targetSymbols: target,
    padding: pad,
    sharedDictionary: true,
  });
  const parameters = bindParameters(model);
  const stored = new Map(
    [...readTensors(`${folder}/weights.safetensors`)].map(([key, { shape, data }]) => [
      key,
      float32Tensor(shape, data),
    ]),
  );
  const { tensors } = renameFairseqTensors(stored, folder);
  const weights = new Map(
    [...tensors].map(([key, tensor]) => {
      const { shape, dtype } = tensor;
      return [key, { shape, dtype, data: toFloat32(tensor) }];
    }),
  );
  loadParameters(model, device, weights, folder);
  const batch = readTensors(`${folder}/batch.safetensors`);
  const tokens = (key: string): HostTensor => {
    const tensor = z.custom<{ shape: number[]; data: Float32Array }>().parse(batch.get(key));
    return { shape: tensor.shape, data: Int32Array.from(tensor.data) };
  };
  return {
    config,
    model,
    parameters,
    weights,
    sample: {
      srcTokens: tokens("src_tokens"),
      prevOutputTokens: tokens("prev_output_tokens"),
      target: tokens("target"),
    },
  };
}

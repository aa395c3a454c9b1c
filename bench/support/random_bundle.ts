// A bundle with random weights: as fast and as large as a trained one.
import { type BundleFiles, bundleFiles } from "../../edge/export/bundle_files.ts";
import { architectureOf, modelTensors } from "../../edge/export/model_tensors.ts";
import type { Manifest } from "../../edge/runtime/manifest.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { uniqueParameters } from "../../src/nn/module.ts";
import { seededRandom } from "../../test/support/random.ts";

/** 6 + 6 layers of width 512 (2048 inside, 8 heads), tied embeddings of `symbols` symbols w0, w1, ... */
export function randomBundle(
  symbols: number,
  quantize: Manifest["quantize"],
): Promise<BundleFiles> {
  const config = transformerConfig.parse({ share_all_embeddings: true });
  const model = new TransformerModel(config, {
    sourceSymbols: symbols,
    targetSymbols: symbols,
    padding: 1,
    sharedDictionary: true,
  });
  const random = seededRandom(1);
  const weights = [...uniqueParameters(model)].map(([name, { shape }]) => {
    const size = shape.reduce((product, of) => product * of, 1);
    const data = Float32Array.from({ length: size }, () => random.uniform(-0.05, 0.05));
    return [name, { shape, dtype: "F32" as const, data }] as const;
  });
  const words = Array.from({ length: symbols - 4 }, (_, i) => `w${i} 1\n`).join("");
  const languages = { source_lang: "src", target_lang: "tgt" };
  const parts = {
    architecture: architectureOf(config),
    tensors: modelTensors(config, new Map(weights), "random weights"),
    card: { name: "random", ...languages, licence: "", parameters: 0, weft: "", scores: [] },
    dictionaries: { src: words, tgt: words },
  };
  return bundleFiles(parts, quantize);
}

import { Bundle, type BundleSource } from "./bundle.ts";
import { QuantisedModel } from "./quantised_model.ts";
import { SharedStepDecoder } from "./shared_step_decoder.ts";
import { readText } from "./text.ts";
import { TextTranslator } from "./text_translator.ts";

/**
 * Loads a bundle into our own kernels.
 *
 * @param module a build of kernels/quantised, compiled: how it is had differs from platform to platform.
 * @param limit most bytes of WebAssembly memory; 4 GiB by default.
 * @throws UserError naming the file that is damaged or does not fit.
 */
export async function openTranslator(
  source: BundleSource,
  module: WebAssembly.Module,
  limit?: number,
): Promise<TextTranslator> {
  const bundle = await Bundle.open(source);
  const text = await readText(bundle);
  const vocabularies = { source: text.source.length, target: text.target.length };
  const model = await QuantisedModel.load(bundle, module, vocabularies, limit);
  await bundle.verify(); // what another engine reads may not be damaged either
  const decoder = new SharedStepDecoder(model, text.target.padIndex);
  const engine = {
    decoder,
    get memory() {
      const { kernels } = model;
      return { used: kernels.heap.bytes, grown: kernels.bytes };
    },
    close: () => decoder.close(),
  };
  return new TextTranslator(bundle.manifest, text, engine, source.place);
}

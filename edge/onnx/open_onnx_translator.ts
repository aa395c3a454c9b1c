import { Bundle, type BundleSource } from "../runtime/bundle.ts";
import { readText } from "../runtime/text.ts";
import { TextTranslator } from "../runtime/text_translator.ts";
import type { OnnxBackend } from "./onnx_backend.ts";
import { OnnxModel } from "./onnx_model.ts";
import { OnnxStepDecoder } from "./onnx_step_decoder.ts";
import type { OnnxRuntime } from "./ort_module.ts";

/**
 * Loads a bundle into ONNX Runtime. The same translator as `openTranslator` gives, on another engine: an
 * independent check of ours.
 *
 * @throws UserError naming the file that is damaged or does not fit.
 */
export const openOnnxTranslator = (
  source: BundleSource,
  runtime: OnnxRuntime,
): Promise<TextTranslator> =>
  openWith(source, (bundle, vocabulary) => OnnxModel.load(bundle, runtime, vocabulary));

/** A translator over a model that `load` makes. @throws UserError as `load` does. */
export async function openWith(
  source: BundleSource,
  load: (bundle: Bundle, vocabulary: number) => Promise<OnnxBackend>,
): Promise<TextTranslator> {
  const bundle = await Bundle.open(source);
  const text = await readText(bundle);
  const model = await load(bundle, text.target.length);
  try {
    await bundle.verify(); // what another engine reads may not be damaged either
  } catch (error) {
    model.release();
    throw error;
  }
  const decoder = new OnnxStepDecoder(model, text.target.padIndex);
  const engine = {
    name: model.name,
    decoder,
    sentences: 1, // searches on this engine share nothing
    get memory() {
      return model.memory;
    },
    close: () => decoder.close(),
  };
  return new TextTranslator(bundle.manifest, text, engine, source.place);
}

import type { BundleSource } from "../../runtime/bundle.ts";
import type { TextTranslator } from "../../runtime/text_translator.ts";
import { openWith } from "../open_onnx_translator.ts";
import { GpuModel } from "./gpu_model.ts";
import type { GpuRuntime } from "./gpu_runtime.ts";

/**
 * Loads a bundle onto the GPU, into ONNX Runtime's WebGPU execution provider. The same translator as
 * `openTranslator` gives, but that activations are not rounded to integers.
 *
 * @throws UserError naming the file that is damaged or does not fit.
 */
export const openGpuTranslator = (
  source: BundleSource,
  runtime: GpuRuntime,
): Promise<TextTranslator> =>
  openWith(source, (bundle, vocabulary) => GpuModel.load(bundle, runtime, vocabulary));

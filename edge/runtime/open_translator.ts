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
    name: "weft's kernels",
    decoder,
    sentences: sentencesWithin(model, limit),
    get memory() {
      const { kernels } = model;
      return { used: kernels.heap.bytes, grown: kernels.bytes };
    },
    close: () => decoder.close(),
  };
  return new TextTranslator(bundle.manifest, text, engine, source.place);
}

/** Enough to share steps well. */
const MOST_SENTENCES = 32;

/** What the search of a sentence may come to hold where nobody asks for more: the default beam and max_len. */
const HYPOTHESES = 5;
const TOKENS = 200;

/** Beside weights and sentences: rows that pass the layers, logits, positions. */
const WORKING_BYTES = 8 * 2 ** 20;

/** How many sentences fit at a time, at worst. */
function sentencesWithin(model: QuantisedModel, limit: number | undefined): number {
  if (limit === undefined) return MOST_SENTENCES;
  const { layers, embed_dim } = model.architecture.decoder;
  const each = HYPOTHESES * TOKENS * layers * 8 * embed_dim;
  const room = limit - model.weightBytes - WORKING_BYTES;
  return Math.min(MOST_SENTENCES, Math.max(1, Math.floor(room / each)));
}

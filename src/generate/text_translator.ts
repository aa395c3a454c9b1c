// Loaded models with everything between text and tokens: what generate and interactive are built on.
import type { TextCodecConfig } from "../config/schemas/text_codec.ts";
import type { TextCodec } from "../data/text_codec.ts";
import { OutputText } from "./output_text.ts";
import type { SearchFlags } from "./search_options.ts";
import { textCodec } from "./text_codec.ts";
import { Translator } from "./translator.ts";
import type { LoadedModels } from "./with_models.ts";

export interface TextTranslator {
  readonly translator: Translator;
  readonly text: OutputText;
  readonly codec: TextCodec;
}

/** @throws UserError if the flags of the search or the text will not do. */
export function openTextTranslator(
  { task, models, stored, device, spans }: LoadedModels,
  config: {
    readonly generation: SearchFlags;
    readonly text: TextCodecConfig;
    readonly common: { readonly seed: number };
  },
): TextTranslator {
  const { sourceDictionary, targetDictionary } = task;
  const { generation, common } = config;
  const codec = textCodec(config.text);
  const { seed } = common;
  const origin = stored.map(({ path }) => path).join(":");
  const search = { device, models, origin, targetDictionary, config: generation, seed, spans };
  const translator = new Translator(search);
  const { special } = translator;
  const spelling = { sourceDictionary, targetDictionary, special, config: generation, codec };
  return { translator, text: new OutputText(spelling), codec };
}

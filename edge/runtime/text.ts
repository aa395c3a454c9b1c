// Text to a bundle's tokens and back.
import { SubwordNmt } from "../../src/data/bpe/subword_nmt.ts";
import { Dictionary } from "../../src/data/dictionary.ts";
import { type TextCodec, textCodecOf } from "../../src/data/text_codec.ts";
import { tokenizers } from "../../src/data/tokenizer/tokenizers.ts";
import type { Bundle } from "./bundle.ts";

/** What a model reads and says, in text. */
export interface BundleText {
  readonly source: Dictionary;
  readonly target: Dictionary;
  readonly codec: TextCodec;
}

/** @throws UserError if a file is damaged or malformed. */
export async function readText(bundle: Bundle): Promise<BundleText> {
  const { tokenizer, bpe, source_dictionary, target_dictionary } = bundle.manifest.text;
  const source = await readDictionary(bundle, source_dictionary);
  const target =
    target_dictionary === source_dictionary
      ? source
      : await readDictionary(bundle, target_dictionary);
  const pieces =
    bpe &&
    new SubwordNmt(await bundle.readText(bpe.codes), `${bundle.place}/${bpe.codes}`, {
      separator: bpe.separator,
    });
  return { source, target, codec: textCodecOf(tokenizer && tokenizers[tokenizer], pieces) };
}

async function readDictionary(bundle: Bundle, name: string): Promise<Dictionary> {
  return Dictionary.parse(await bundle.readText(name), `${bundle.place}/${name}`);
}

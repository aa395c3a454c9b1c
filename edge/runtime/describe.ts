import type { Manifest } from "./manifest.ts";

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** A bundle's release card in lines of text. */
export function describeBundle({ card, quantize, architecture, files, text }: Manifest): string[] {
  const { encoder, decoder } = architecture;
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
  const pieces = [text.tokenizer ?? "words as they are", text.bpe?.kind].filter(Boolean);
  const trained = card.num_updates === undefined ? "" : `, ${card.num_updates} updates`;
  return [
    `${card.name}: ${card.source_lang} to ${card.target_lang}, licence ${card.licence}`,
    `${architecture.model} ${encoder.layers}+${decoder.layers} layers, width ${decoder.embed_dim}, ${card.parameters} parameters${trained}`,
    `${quantize === "none" ? "float32" : quantize} weights, ${Object.keys(files).length} files, ${mebibytes(bytes)}`,
    `text: ${pieces.join(", ")}`,
    ...card.scores.map(
      ({ metric, before, after, on, sentences, beam, signature }) =>
        `${metric} ${after.toFixed(2)} (float32: ${before.toFixed(2)}) on ${on}, ${sentences} sentences, beam ${beam}, ${signature}`,
    ),
    `exported by weft ${card.weft}`,
  ];
}

// fairseq's named Transformers: hyperparameters over the defaults, nothing else.
import type { z } from "zod";
import type { transformerConfig } from "./config.ts";

export type TransformerPreset = Partial<z.input<typeof transformerConfig>>;

const big: TransformerPreset = {
  encoder_embed_dim: 1024,
  encoder_ffn_embed_dim: 4096,
  encoder_attention_heads: 16,
  decoder_embed_dim: 1024,
  decoder_ffn_embed_dim: 4096,
  decoder_attention_heads: 16,
  dropout: 0.3,
};

export const architectures: Readonly<Record<string, TransformerPreset>> = {
  transformer_wmt_en_de: {},
  transformer_tiny: {
    encoder_embed_dim: 64,
    encoder_ffn_embed_dim: 64,
    encoder_layers: 2,
    encoder_attention_heads: 2,
    decoder_layers: 2,
    decoder_attention_heads: 2,
  },
  transformer_iwslt_de_en: {
    encoder_embed_dim: 512,
    encoder_ffn_embed_dim: 1024,
    encoder_attention_heads: 4,
    encoder_layers: 6,
    decoder_embed_dim: 512,
    decoder_ffn_embed_dim: 1024,
    decoder_attention_heads: 4,
    decoder_layers: 6,
  },
  transformer_vaswani_wmt_en_de_big: big,
  transformer_vaswani_wmt_en_fr_big: { ...big, dropout: 0.1 },
  transformer_wmt_en_de_big: { ...big, attention_dropout: 0.1 },
  transformer_wmt_en_de_big_t2t: {
    ...big,
    encoder_normalize_before: true,
    decoder_normalize_before: true,
    attention_dropout: 0.1,
    activation_dropout: 0.1,
  },
};

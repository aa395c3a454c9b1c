// The Transformer's hyperparameters: fairseq's names and defaults.
import { z } from "zod";
import { ACTIVATION_CHOICES } from "../../../kernels/elementwise/activation_names.ts";

const probability = z.number().min(0).lt(1);
const width = z.int().min(1);

/** "0,2,5" or [0, 2, 5]: numbers of the layers to keep. */
const layerList = z
  .union([
    z.string().regex(/^\d+(,\d+)*$/, "must be layer numbers such as 0,2,4"),
    z.array(z.int().min(0)),
  ])
  .refine((list) => {
    const numbers = keptLayers(list) ?? [];
    return new Set(numbers).size === numbers.length;
  }, "must name each layer once");

const side = (name: "encoder" | "decoder") => ({
  [`${name}_normalize_before`]: z
    .boolean()
    .default(false)
    .describe(`layer norm before each ${name} block (pre-norm) in place of after it`),
  [`${name}_learned_pos`]: z
    .boolean()
    .default(false)
    .describe(`trained positions in the ${name} in place of sinusoids`),
  [`${name}_layerdrop`]: probability
    .default(0)
    .describe(`probability to leave out each ${name} layer in training`),
  [`${name}_layers_to_keep`]: layerList
    .optional()
    .describe(`keep only these ${name} layers of a checkpoint, such as 0,2,4`),
});

export const transformerConfig = z.strictObject({
  activation_fn: z
    .enum(ACTIVATION_CHOICES)
    .default("relu")
    .describe("activation between fc1 and fc2"),
  dropout: probability.default(0.1).describe("dropout on embeddings and residual branches"),
  attention_dropout: probability.default(0).describe("dropout on attention probabilities"),
  activation_dropout: probability
    .default(0)
    .describe("dropout after the activation in the feed-forward blocks")
    .meta({ aliases: ["--relu-dropout"] }),
  encoder_embed_dim: width.default(512).describe("encoder width"),
  encoder_ffn_embed_dim: width.default(2048).describe("encoder feed-forward width"),
  encoder_layers: z.int().min(0).default(6).describe("encoder layers"),
  encoder_attention_heads: width.default(8).describe("encoder attention heads"),
  decoder_embed_dim: width.optional().describe("decoder width (default: the encoder's)"),
  decoder_ffn_embed_dim: width
    .optional()
    .describe("decoder feed-forward width (default: the encoder's)"),
  decoder_layers: z.int().min(0).default(6).describe("decoder layers"),
  decoder_attention_heads: width.default(8).describe("decoder attention heads"),
  decoder_input_dim: width.optional().describe("width of decoder embeddings (default: decoder's)"),
  decoder_output_dim: width
    .optional()
    .describe("width before the output layer (default: decoder's)"),
  ...(side("encoder") as SideShape<"encoder">),
  ...(side("decoder") as SideShape<"decoder">),
  share_decoder_input_output_embed: z
    .boolean()
    .default(false)
    .describe("tie the decoder's embeddings and output layer"),
  share_all_embeddings: z
    .boolean()
    .default(false)
    .describe("tie encoder embeddings, decoder embeddings and output layer (one dictionary)"),
  no_token_positional_embeddings: z.boolean().default(false).describe("no positions at all"),
  no_scale_embedding: z.boolean().default(false).describe("do not scale embeddings by sqrt(width)"),
  layernorm_embedding: z.boolean().default(false).describe("layer norm on embeddings"),
  no_decoder_final_norm: z
    .boolean()
    .default(false)
    .describe("pre-norm decoder without a last norm"),
  max_source_positions: z.int().min(1).default(1024).describe("longest source, in tokens"),
  max_target_positions: z.int().min(1).default(1024).describe("longest target, in tokens"),
  init: z
    .enum(["torch", "xavier"])
    .default("torch")
    .describe(
      "start of feed-forward weights: PyTorch's default (fairseq 0.10 on) or xavier (before)",
    ),
});

type SideShape<Name extends string> = {
  [Key in `${Name}_normalize_before` | `${Name}_learned_pos`]: z.ZodDefault<z.ZodBoolean>;
} & { [Key in `${Name}_layerdrop`]: z.ZodDefault<z.ZodNumber> } & {
  [Key in `${Name}_layers_to_keep`]: z.ZodOptional<typeof layerList>;
};

export type TransformerConfig = z.infer<typeof transformerConfig>;

/** What differs between encoder and decoder, with the defaults that follow the other side filled in. */
export interface SideConfig {
  readonly embedDim: number;
  readonly ffnEmbedDim: number;
  readonly layers: number;
  readonly heads: number;
  readonly normalizeBefore: boolean;
  readonly learnedPositions: boolean;
  readonly layerdrop: number;
  readonly maxPositions: number;
}

export const encoderSide = (c: TransformerConfig): SideConfig => ({
  embedDim: c.encoder_embed_dim,
  ffnEmbedDim: c.encoder_ffn_embed_dim,
  layers: keptLayers(c.encoder_layers_to_keep)?.length ?? c.encoder_layers,
  heads: c.encoder_attention_heads,
  normalizeBefore: c.encoder_normalize_before,
  learnedPositions: c.encoder_learned_pos,
  layerdrop: c.encoder_layerdrop,
  maxPositions: c.max_source_positions,
});

export const decoderSide = (c: TransformerConfig): SideConfig => ({
  embedDim: c.decoder_embed_dim ?? c.encoder_embed_dim,
  ffnEmbedDim: c.decoder_ffn_embed_dim ?? c.encoder_ffn_embed_dim,
  layers: keptLayers(c.decoder_layers_to_keep)?.length ?? c.decoder_layers,
  heads: c.decoder_attention_heads,
  normalizeBefore: c.decoder_normalize_before,
  learnedPositions: c.decoder_learned_pos,
  layerdrop: c.decoder_layerdrop,
  maxPositions: c.max_target_positions,
});

/** Numbers of the layers to keep, in ascending order; undefined to keep all. */
export function keptLayers(list: string | readonly number[] | undefined): number[] | undefined {
  if (list === undefined) return undefined;
  const numbers = typeof list === "string" ? list.split(",").map(Number) : [...list];
  return numbers.sort((a, b) => a - b);
}

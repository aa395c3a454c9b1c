// manifest.json: what a bundle holds, and its release card. Everything that reads a bundle begins here.
import * as z from "zod";

/** The version of the format. A reader refuses any other. */
export const BUNDLE_VERSION = 1;

/** Names that may stand in a bundle: no folders, nothing hidden. */
const fileName = z.string().regex(/^[\w-][\w.-]*$/, "must be a plain file name");
const count = z.int().min(0);
const size = z.int().min(1);

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits");
const file = z.strictObject({ bytes: count, sha256 });

/**
 * How a tensor's numbers lie, little-endian:
 * f32; u8; i8: integers within [-63, 63], rows padded with zeros to a multiple of 32 bytes; i4: rows of blocks of 32 elements, 16 bytes each
 * (low nibbles are elements 0 to 15, high ones 16 to 31), element = (nibble - 8) * the block's step.
 */
export const DTYPES = ["f32", "i8", "i4", "u8"] as const;
export type Dtype = (typeof DTYPES)[number];

/** Tensors begin at multiples of this. */
export const ALIGNMENT = 64;

const tensor = z.strictObject({
  name: z.string(),
  dtype: z.enum(DTYPES),
  shape: z.array(size),
  /** Where it begins in all shards one behind the other; a multiple of ALIGNMENT. Tied tensors begin together. */
  offset: count,
  bytes: count,
});

/** The activations by the numbers that kernels know them by (kernels/matmul/epilogue.as.ts). */
export const ACTIVATIONS = [
  "linear",
  "relu",
  "gelu",
  "gelu_accurate",
  "tanh",
  "sigmoid",
  "swish",
  "relu_squared",
] as const;
export type Activation = (typeof ACTIVATIONS)[number];

const side = {
  embed_dim: size,
  ffn_embed_dim: size,
  layers: count,
  attention_heads: size,
  normalize_before: z.boolean(),
  positions: z.enum(["sinusoidal", "learned", "none"]),
  /** Longest sentence, end of sentence included. */
  max_positions: size,
  layernorm_embedding: z.boolean(),
  /** What embeddings are multiplied by. */
  embed_scale: z.number(),
};

/** Of a Transformer; weft has no other family yet. */
const architecture = z.strictObject({
  model: z.literal("transformer"),
  activation_fn: z.enum(ACTIVATIONS),
  encoder: z.strictObject(side),
  decoder: z.strictObject({
    ...side,
    input_dim: size,
    output_dim: size,
    final_norm: z.boolean(),
  }),
});

const text = z.strictObject({
  /** Dictionaries, in fairseq's format. */
  source_dictionary: fileName,
  target_dictionary: fileName,
  tokenizer: z.enum(["space", "joiner"]).optional(),
  bpe: z
    .strictObject({ kind: z.literal("subword_nmt"), codes: fileName, separator: z.string() })
    .optional(),
});

const score = z.strictObject({
  metric: z.string(),
  signature: z.string(),
  /** The text it was measured on. */
  on: z.string(),
  sentences: size,
  beam: size,
  /** With the checkpoint's float32 weights, and with the bundle's. */
  before: z.number(),
  after: z.number(),
});

const card = z.strictObject({
  name: z.string(),
  source_lang: z.string(),
  target_lang: z.string(),
  licence: z.string(),
  parameters: count,
  /** Updates that the checkpoint had seen, where it says so. */
  num_updates: count.optional(),
  weft: z.string(),
  scores: z.array(score),
});

/** Longest file of a bundle: what Cloudflare's static assets take, with room. */
export const SHARD_BYTES = 24 * 2 ** 20;

export const manifestSchema = z.strictObject({
  weft_bundle: z.literal(BUNDLE_VERSION),
  card,
  quantize: z.enum(["none", "int8", "int4"]),
  architecture,
  text,
  files: z.record(fileName, file),
  /** Files of weights, in order. */
  shards: z.array(fileName),
  tensors: z.array(tensor),
  /** The same model as graphs for ONNX Runtime, the tensors their inputs (edge/onnx/graph_files.ts). */
  onnx: z.strictObject({ encoder: fileName, decoder: fileName }),
  /** Of the manifest itself: of JSON.stringify() of all that stands before this. */
  sha256,
});

export type Manifest = z.output<typeof manifestSchema>;
export type Architecture = Manifest["architecture"];
export type SideArchitecture = Architecture["encoder"];
export type TensorEntry = Manifest["tensors"][number];
export type Card = Manifest["card"];
export type Score = Card["scores"][number];

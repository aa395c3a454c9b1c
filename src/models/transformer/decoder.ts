import { add } from "../../../kernels/elementwise/index.ts";
import { linear } from "../../../kernels/matmul/index.ts";
import { currentRandomness } from "../../engine/randomness.ts";
import { Dropout } from "../../nn/dropout.ts";
import type { Embedding } from "../../nn/embedding.ts";
import { normal, xavierUniform, zeros } from "../../nn/initializer.ts";
import { LayerNorm } from "../../nn/layer_norm.ts";
import { Linear } from "../../nn/linear.ts";
import { Module, type Parameter } from "../../nn/module.ts";
import type { AttentionLayout } from "../../nn/multihead_attention.ts";
import type { PackedRows } from "../../nn/packed_rows.ts";
import type { PositionalEmbedding } from "../../nn/positional_embedding.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LayerCaches, StepContext } from "../incremental.ts";
import { decoderSide, type TransformerConfig } from "./config.ts";
import { paddingMask } from "./encoder.ts";
import { type EncoderMemory, TransformerDecoderLayer } from "./layers.ts";
import { positionalEmbedding } from "./positions.ts";

/** The output layer: logits = x W^T. Its weight may be the decoder's embedding. */
class OutputProjection extends Module {
  constructor(readonly weight: Parameter) {
    super();
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight.value);
  }
}

/** A width change at the decoder's ends; xavier weight, no bias, as fairseq builds it. */
const widthChange = (from: number, to: number): Linear | undefined =>
  from === to
    ? undefined
    : new Linear(from, to, {
        bias: false,
        initializeWeight: xavierUniform(),
        initializeBias: zeros,
      });

/** Whose attention is shown: a layer, from 0, and how many of its heads, the first ones. */
export interface AttendedLayer {
  readonly layer: number;
  readonly heads: number;
}

export class TransformerDecoder extends Module {
  readonly projectInDim: Linear | undefined;
  readonly embedPositions: PositionalEmbedding | undefined;
  readonly layernormEmbedding: LayerNorm | undefined;
  readonly layers: TransformerDecoderLayer[];
  readonly layerNorm: LayerNorm | undefined;
  readonly projectOutDim: Linear | undefined;
  readonly outputProjection: OutputProjection;
  private readonly dropout: Dropout;
  private readonly embedScale: number;
  private readonly layerdrop: number;

  constructor(
    config: TransformerConfig,
    readonly embedTokens: Embedding,
  ) {
    super();
    const side = decoderSide(config);
    const outputDim = config.decoder_output_dim ?? side.embedDim;
    this.embedScale = config.no_scale_embedding ? 1 : Math.sqrt(side.embedDim);
    this.projectInDim = widthChange(embedTokens.width, side.embedDim);
    this.embedPositions = positionalEmbedding(config, side, embedTokens.padding);
    if (config.layernorm_embedding) this.layernormEmbedding = new LayerNorm(side.embedDim);
    this.layers = Array.from({ length: side.layers }, () => new TransformerDecoderLayer(config));
    if (side.normalizeBefore && !config.no_decoder_final_norm) {
      this.layerNorm = new LayerNorm(side.embedDim);
    }
    this.projectOutDim = widthChange(side.embedDim, outputDim);
    const tied = config.share_decoder_input_output_embed || config.share_all_embeddings;
    const [vocabulary] = embedTokens.weight.shape;
    const weight = tied
      ? embedTokens.weight
      : new Linear(outputDim, vocabulary, {
          bias: false,
          initializeWeight: normal(outputDim ** -0.5),
        }).weight;
    this.outputProjection = new OutputProjection(weight);
    this.dropout = new Dropout(config.dropout);
    this.layerdrop = side.layerdrop;
  }

  /**
   * Teacher-forced pass: prevOutputTokens i32 (B, T) -> logits (B, T, V); (N, V) where only these
   * positions are computed.
   */
  forward(prevOutputTokens: Tensor, memory: EncoderMemory, packed?: PackedRows): Tensor {
    return this.forwardWithAttention(prevOutputTokens, memory, undefined, { packed }).logits;
  }

  /**
   * The same, and the attention of one layer to the source (B, T, S).
   *
   * @param attended the layer, and how many of its heads enter the mean; none by default.
   * @param layout by default a position sees those before it only.
   */
  forwardWithAttention(
    prevOutputTokens: Tensor,
    memory: EncoderMemory,
    attended?: AttendedLayer,
    { causal = true, packed }: Pick<AttentionLayout, "causal" | "packed"> = {},
  ): { logits: Tensor; attention: Tensor | undefined } {
    let padding = paddingMask(prevOutputTokens, this.embedTokens.padding); // (B, T)
    let x = this.embed(prevOutputTokens, this.embedPositions?.forward(prevOutputTokens)); // (B, T, C)
    if (packed) [x, padding] = [packed.pack(x), packed.packNumbers(padding)]; // (N, C), (N)
    let attention: Tensor | undefined;
    for (const [index, layer] of this.layers.entries()) {
      if (this.layerdrop > 0 && currentRandomness()?.keepsLayer() === false) continue;
      const heads = attended?.layer === index ? attended.heads : 0;
      const result = layer.forwardWithAttention(x, memory, padding, { causal, packed, heads });
      x = result.x; // (B, T, C) or (N, C)
      attention ??= result.attention;
    }
    return { logits: this.output(x), attention }; // (B, T, V) or (N, V)
  }

  /**
   * One decoding step: tokens i32 (R), their position number i32 (1), the caches of every layer.
   *
   * @returns logits (R, V) and, if asked for, the last layer's attention to the source, averaged
   * over its heads (R, S).
   */
  step(
    tokens: Tensor,
    positionNumber: Tensor,
    caches: readonly LayerCaches[],
    context: StepContext,
    needAttention: boolean,
  ): { logits: Tensor; attention: Tensor | undefined } {
    let x = this.embed(tokens, this.embedPositions?.at(positionNumber)); // (R, C)
    let attention: Tensor | undefined;
    for (const [index, layer] of this.layers.entries()) {
      const isLast = index === this.layers.length - 1;
      const result = layer.step(x, caches[index], context, needAttention && isLast);
      x = result.x; // (R, C)
      attention = result.attention;
    }
    return { logits: this.output(x), attention };
  }

  private embed(tokens: Tensor, positions: Tensor | undefined): Tensor {
    let x = this.embedTokens.forward(tokens, this.embedScale);
    if (this.projectInDim) x = this.projectInDim.forward(x);
    if (positions) x = add(x, positions);
    if (this.layernormEmbedding) x = this.layernormEmbedding.forward(x);
    return this.dropout.forward(x);
  }

  private output(x: Tensor): Tensor {
    let features = this.layerNorm ? this.layerNorm.forward(x) : x; // pre-norm stacks end with one
    if (this.projectOutDim) features = this.projectOutDim.forward(features);
    return this.outputProjection.forward(features);
  }
}

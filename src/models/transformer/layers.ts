// One encoder layer and one decoder layer, post-norm or pre-norm. Vaswani et al. 2017, section 3.
import { concat } from "../../../kernels/movement/index.ts";
import type { Activation } from "../../../kernels/matmul/index.ts";
import { Dropout } from "../../nn/dropout.ts";
import { type Initializer, torchLinear, xavierUniform, zeros } from "../../nn/initializer.ts";
import { LayerNorm } from "../../nn/layer_norm.ts";
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import { type KeysAndValues, MultiheadAttention } from "../../nn/multihead_attention.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { decoderSide, encoderSide, type SideConfig, type TransformerConfig } from "./config.ts";

/** What both kinds of layer share: residual branches and the feed-forward block. */
abstract class TransformerLayer extends Module {
  protected readonly dropout: Dropout;
  protected readonly activationDropout: Dropout;
  protected readonly activation: Activation;
  protected readonly normalizeBefore: boolean;

  constructor(config: TransformerConfig, side: SideConfig) {
    super();
    this.dropout = new Dropout(config.dropout);
    this.activationDropout = new Dropout(config.activation_dropout);
    this.activation = config.activation_fn;
    this.normalizeBefore = side.normalizeBefore;
  }

  /** x + dropout(block(norm(x))) when pre-norm, norm(x + dropout(block(x))) when post-norm. */
  protected residual(x: Tensor, norm: LayerNorm, block: (x: Tensor) => Tensor): Tensor {
    if (this.normalizeBefore) return this.dropout.addTo(x, block(norm.forward(x)));
    return norm.afterResidual(block(x), x, this.dropout.p);
  }

  protected feedForward(x: Tensor, fc1: Linear, fc2: Linear): Tensor {
    const hidden = fc1.forward(x, this.activation); // (..., F)
    return fc2.forward(this.activationDropout.forward(hidden)); // (..., C)
  }
}

function feedForwardWeights(
  config: TransformerConfig,
  { embedDim, ffnEmbedDim }: SideConfig,
): [Linear, Linear] {
  const options = (inputSize: number): { initializeWeight: Initializer; initializeBias: Initializer } =>
    config.init === "xavier"
      ? { initializeWeight: xavierUniform(), initializeBias: zeros }
      : { initializeWeight: torchLinear(inputSize), initializeBias: torchLinear(inputSize) };
  return [
    new Linear(embedDim, ffnEmbedDim, options(embedDim)),
    new Linear(ffnEmbedDim, embedDim, options(ffnEmbedDim)),
  ];
}

export class TransformerEncoderLayer extends TransformerLayer {
  readonly selfAttn: MultiheadAttention;
  readonly selfAttnLayerNorm: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly finalLayerNorm: LayerNorm;

  constructor(config: TransformerConfig) {
    const side = encoderSide(config);
    super(config, side);
    const { embedDim, heads } = side;
    this.selfAttn = new MultiheadAttention({ embedDim, heads, dropout: config.attention_dropout });
    this.selfAttnLayerNorm = new LayerNorm(embedDim);
    [this.fc1, this.fc2] = feedForwardWeights(config, side);
    this.finalLayerNorm = new LayerNorm(embedDim);
  }

  /** x (B, S, C), padding i32 (B, S) -> (B, S, C). */
  forward(x: Tensor, padding: Tensor): Tensor {
    const attended = this.residual(x, this.selfAttnLayerNorm, (query) =>
      this.selfAttn.forward(query, this.selfAttn.project(query), padding),
    );
    return this.residual(attended, this.finalLayerNorm, (h) =>
      this.feedForward(h, this.fc1, this.fc2),
    );
  }
}

/** The encoder's output as a decoder layer sees it. */
export interface EncoderMemory {
  /** (B, S, Cenc). */
  readonly output: Tensor;
  /** i32 (B, S), 1 where padding. */
  readonly padding: Tensor;
}

/** Caches of one decoder layer: self-attention (R0, L, C), cross-attention (B, S, C). */
export interface LayerCaches {
  readonly self: KeysAndValues;
  readonly cross: KeysAndValues | undefined;
}

/** What all layers of one decoding step share. */
export interface StepContext {
  /** i32 (R, L). */
  readonly ancestors: Tensor;
  /** i32 scalars: slot that this step fills, and number of filled slots with it. */
  readonly position: Tensor;
  readonly length: Tensor;
  /** i32 (B, S). */
  readonly sourcePadding: Tensor;
  /** Writes the new keys and values into the layer's self-attention caches and returns these. */
  store(caches: KeysAndValues, added: KeysAndValues): KeysAndValues;
  /** (R, C) -> (B, K, C): the beams of a sentence side by side. */
  bySentence(rows: Tensor): Tensor;
  /** And back. */
  byRow(sentences: Tensor): Tensor;
}

export class TransformerDecoderLayer extends TransformerLayer {
  readonly selfAttn: MultiheadAttention;
  readonly selfAttnLayerNorm: LayerNorm;
  readonly encoderAttn: MultiheadAttention | undefined;
  readonly encoderAttnLayerNorm: LayerNorm | undefined;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly finalLayerNorm: LayerNorm;
  private readonly crossSelfAttention: boolean;

  constructor(config: TransformerConfig) {
    const side = decoderSide(config);
    super(config, side);
    const { embedDim, heads } = side;
    const dropout = config.attention_dropout;
    this.crossSelfAttention = config.cross_self_attention;
    this.selfAttn = new MultiheadAttention({ embedDim, heads, dropout });
    this.selfAttnLayerNorm = new LayerNorm(embedDim);
    if (!config.no_cross_attention) {
      const kvDim = config.encoder_embed_dim;
      this.encoderAttn = new MultiheadAttention({ embedDim, heads, kvDim, dropout });
      this.encoderAttnLayerNorm = new LayerNorm(embedDim);
    }
    [this.fc1, this.fc2] = feedForwardWeights(config, side);
    this.finalLayerNorm = new LayerNorm(embedDim);
  }

  /** x (B, T, C), padding of x i32 (B, T) -> (B, T, C). Position t sees positions 0..t. */
  forward(x: Tensor, memory: EncoderMemory, padding: Tensor): Tensor {
    const attended = this.residual(x, this.selfAttnLayerNorm, (query) =>
      this.selfAttention(query, memory, padding),
    );
    const informed = this.crossAttention(attended, (query, attention) =>
      attention.forward(query, attention.project(memory.output), memory.padding),
    );
    return this.residual(informed, this.finalLayerNorm, (h) =>
      this.feedForward(h, this.fc1, this.fc2),
    );
  }

  private selfAttention(query: Tensor, memory: EncoderMemory, padding: Tensor): Tensor {
    const own = this.selfAttn.project(query);
    if (!this.crossSelfAttention) return this.selfAttn.forward(query, own, padding, true);
    // Keys are the encoder's output followed by the decoder's own positions.
    const seen = this.selfAttn.project(memory.output);
    return this.selfAttn.forward(
      query,
      { keys: concat([seen.keys, own.keys], 1), values: concat([seen.values, own.values], 1) },
      concat([memory.padding, padding], 1),
      true,
    );
  }

  private crossAttention(
    x: Tensor,
    attend: (query: Tensor, attention: MultiheadAttention) => Tensor,
  ): Tensor {
    const { encoderAttn, encoderAttnLayerNorm } = this;
    if (!encoderAttn || !encoderAttnLayerNorm) return x;
    return this.residual(x, encoderAttnLayerNorm, (query) => attend(query, encoderAttn));
  }

  /** One position of every row: x (R, C) -> (R, C). */
  step(x: Tensor, caches: LayerCaches, context: StepContext): Tensor {
    const attended = this.residual(x, this.selfAttnLayerNorm, (query) => {
      const stored = context.store(caches.self, this.selfAttn.project(query));
      return this.selfAttn.step(query, stored, context.ancestors, context.length);
    });
    const informed = this.crossAttention(attended, (query, attention) => {
      if (!caches.cross) throw new Error("decoder layer: no cross-attention cache");
      const sentences = context.bySentence(query); // (B, K, C)
      return context.byRow(attention.forward(sentences, caches.cross, context.sourcePadding));
    });
    return this.residual(informed, this.finalLayerNorm, (h) =>
      this.feedForward(h, this.fc1, this.fc2),
    );
  }

  /** Attention of each position to the source, (B, T, S): x is this layer's input. */
  get sourceAttention(): MultiheadAttention | undefined {
    return this.encoderAttn;
  }
}

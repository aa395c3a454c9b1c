// One encoder layer and one decoder layer, post-norm or pre-norm. Vaswani et al. 2017, section 3.
import type { Activation } from "../../../kernels/matmul/index.ts";
import { Dropout } from "../../nn/dropout.ts";
import { type Initializer, torchLinear, xavierUniform, zeros } from "../../nn/initializer.ts";
import { LayerNorm } from "../../nn/layer_norm.ts";
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import { type AttentionLayout, MultiheadAttention } from "../../nn/multihead_attention.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LayerCaches, StepContext } from "../incremental.ts";
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
  const options = (
    inputSize: number,
  ): { initializeWeight: Initializer; initializeBias: Initializer } =>
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

/** How a decoder layer's positions lie, what they see, and how many heads' attention is shown. */
export interface DecoderLayout extends Pick<AttentionLayout, "causal" | "packed"> {
  readonly heads: number;
}

export class TransformerDecoderLayer extends TransformerLayer {
  readonly selfAttn: MultiheadAttention;
  readonly selfAttnLayerNorm: LayerNorm;
  readonly encoderAttn: MultiheadAttention;
  readonly encoderAttnLayerNorm: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly finalLayerNorm: LayerNorm;

  constructor(config: TransformerConfig) {
    const side = decoderSide(config);
    super(config, side);
    const { embedDim, heads } = side;
    const dropout = config.attention_dropout;
    this.selfAttn = new MultiheadAttention({ embedDim, heads, dropout });
    this.selfAttnLayerNorm = new LayerNorm(embedDim);
    const kvDim = config.encoder_embed_dim;
    this.encoderAttn = new MultiheadAttention({ embedDim, heads, kvDim, dropout });
    this.encoderAttnLayerNorm = new LayerNorm(embedDim);
    [this.fc1, this.fc2] = feedForwardWeights(config, side);
    this.finalLayerNorm = new LayerNorm(embedDim);
  }

  /**
   * x (B, T, C), padding of x i32 (B, T) -> (B, T, C); where positions are packed, (N, C) and (N).
   * Also where it looked: attention to the source (B, T, S), averaged over the first `heads`;
   * undefined if there are to be none. It isn't to be had of packed positions.
   */
  forwardWithAttention(
    x: Tensor,
    memory: EncoderMemory,
    padding: Tensor,
    { heads, causal, packed }: DecoderLayout,
  ): { x: Tensor; attention: Tensor | undefined } {
    const layout = { causal, packed, packsKeys: packed !== undefined };
    const attended = this.residual(x, this.selfAttnLayerNorm, (query) =>
      this.selfAttn.forward(query, this.selfAttn.project(query), padding, layout),
    );
    let attention: Tensor | undefined;
    const informed = this.residual(attended, this.encoderAttnLayerNorm, (query) => {
      const source = this.encoderAttn.project(memory.output);
      if (heads > 0) {
        attention = this.encoderAttn.weights(query, source.keys, memory.padding, heads);
      }
      return this.encoderAttn.forward(query, source, memory.padding, { packed });
    });
    const output = this.residual(informed, this.finalLayerNorm, (h) =>
      this.feedForward(h, this.fc1, this.fc2),
    );
    return { x: output, attention };
  }

  /**
   * One position of every row: x (R, C) -> (R, C).
   *
   * @param needAttention whether to return the attention to the source, averaged over heads (R, S).
   */
  step(
    x: Tensor,
    caches: LayerCaches,
    context: StepContext,
    needAttention: boolean,
  ): { x: Tensor; attention: Tensor | undefined } {
    const attended = this.residual(x, this.selfAttnLayerNorm, (query) => {
      const stored = context.store(caches.self, this.selfAttn.project(query));
      return this.selfAttn.step(query, stored, context.ancestors, context.length);
    });
    let attention: Tensor | undefined;
    const informed = this.residual(attended, this.encoderAttnLayerNorm, (query) => {
      const { widest, ...places } = context.source;
      if (needAttention) {
        const sentences = context.bySentence(query); // (B, K, C)
        const padding = context.sourcePadding(); // (B, S)
        attention = context.byRow(this.encoderAttn.weights(sentences, caches.crossKeys(), padding)); // (R, S)
      }
      return this.encoderAttn.stepToSource(query, { ...caches.cross, ...places }, widest);
    });
    const output = this.residual(informed, this.finalLayerNorm, (h) =>
      this.feedForward(h, this.fc1, this.fc2),
    );
    return { x: output, attention };
  }
}

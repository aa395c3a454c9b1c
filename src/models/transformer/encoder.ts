import { add, cast, equal, mul, sub } from "../../../kernels/elementwise/index.ts";
import { reshape } from "../../../kernels/movement/index.ts";
import { currentRandomness } from "../../engine/randomness.ts";
import { Dropout } from "../../nn/dropout.ts";
import type { Embedding } from "../../nn/embedding.ts";
import { LayerNorm } from "../../nn/layer_norm.ts";
import { Module } from "../../nn/module.ts";
import type { PositionalEmbedding } from "../../nn/positional_embedding.ts";
import { constant, scalar, type Tensor } from "../../tensor/tensor.ts";
import { encoderSide, type TransformerConfig } from "./config.ts";
import { type EncoderMemory, TransformerEncoderLayer } from "./layers.ts";
import { positionalEmbedding } from "./positions.ts";

/** i32, 1 where a token is `padding`. */
export const paddingMask = (tokens: Tensor, padding: number): Tensor =>
  equal(tokens, constant(new Int32Array([padding]), []));

export class TransformerEncoder extends Module {
  readonly embedPositions: PositionalEmbedding | undefined;
  readonly layernormEmbedding: LayerNorm | undefined;
  readonly layers: TransformerEncoderLayer[];
  readonly layerNorm: LayerNorm | undefined;
  private readonly dropout: Dropout;
  private readonly embedScale: number;
  private readonly layerdrop: number;

  constructor(
    config: TransformerConfig,
    readonly embedTokens: Embedding,
  ) {
    super();
    const side = encoderSide(config);
    this.embedScale = config.no_scale_embedding ? 1 : Math.sqrt(side.embedDim);
    this.embedPositions = positionalEmbedding(config, side, embedTokens.padding);
    if (config.layernorm_embedding) this.layernormEmbedding = new LayerNorm(side.embedDim);
    this.layers = Array.from({ length: side.layers }, () => new TransformerEncoderLayer(config));
    if (side.normalizeBefore) this.layerNorm = new LayerNorm(side.embedDim);
    this.dropout = new Dropout(config.dropout);
    this.layerdrop = side.layerdrop;
  }

  /** Source tokens i32 (B, S) -> output (B, S, C) and its padding mask. */
  forward(srcTokens: Tensor): EncoderMemory {
    const padding = paddingMask(srcTokens, this.embedTokens.padding); // (B, S)
    let x = this.embed(srcTokens, padding); // (B, S, C)
    for (const layer of this.layers) {
      if (this.layerdrop > 0 && currentRandomness()?.keepsLayer() === false) continue;
      x = layer.forward(x, padding); // (B, S, C)
    }
    if (this.layerNorm) x = this.layerNorm.forward(x); // pre-norm stacks end with one
    return { output: x, padding };
  }

  private embed(srcTokens: Tensor, padding: Tensor): Tensor {
    let x = this.embedTokens.forward(srcTokens, this.embedScale); // (B, S, C)
    if (this.embedPositions) x = add(x, this.embedPositions.forward(srcTokens));
    if (this.layernormEmbedding) x = this.layernormEmbedding.forward(x);
    x = this.dropout.forward(x);
    // A tied or normed embedding of padding is not zero: what the layers see of it must be.
    const [B, S] = srcTokens.shape;
    return mul(x, reshape(sub(scalar(1, x.dtype), cast(padding, x.dtype)), [B, S, 1]));
  }
}

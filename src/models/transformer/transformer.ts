// The Transformer of Vaswani et al. 2017 with fairseq's options and parameter names.
import { model } from "../../components.ts";
import { UserError } from "../../config/user_error.ts";
import { Embedding } from "../../nn/embedding.ts";
import type { PackedRows } from "../../nn/packed_rows.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LayerCaches, StepContext } from "../incremental.ts";
import {
  type DroppableLayer,
  type EncodedSource,
  EncoderDecoderModel,
  type ModelContext,
} from "../model.ts";
import { architectures } from "./architectures.ts";
import { decoderSide, encoderSide, type TransformerConfig, transformerConfig } from "./config.ts";
import { type AttendedLayer, TransformerDecoder } from "./decoder.ts";
import { TransformerEncoder } from "./encoder.ts";

export class TransformerModel extends EncoderDecoderModel {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;
  readonly maxPositions: { readonly source: number; readonly target: number };
  readonly droppableLayers: readonly DroppableLayer[];
  readonly cache: { readonly layers: number; readonly width: number };
  protected readonly attendedLayer: AttendedLayer;

  constructor(config: TransformerConfig, context: ModelContext) {
    super();
    const encoder = encoderSide(config);
    const decoder = decoderSide(config);
    refuseImpossible(config, context);
    const { sourceSymbols, targetSymbols, padding } = context;
    const source = new Embedding(sourceSymbols, encoder.embedDim, padding);
    const inputDim = config.decoder_input_dim ?? decoder.embedDim;
    const target = config.share_all_embeddings
      ? source
      : new Embedding(targetSymbols, inputDim, padding);
    this.encoder = new TransformerEncoder(config, source);
    this.decoder = new TransformerDecoder(config, target);
    this.maxPositions = { source: encoder.maxPositions, target: decoder.maxPositions };
    this.droppableLayers = Object.entries({ encoder, decoder }).flatMap(
      ([side, { layerdrop: p, layers }]) =>
        Array.from({ length: p > 0 ? layers : 0 }, (_, n) => ({ name: `${side}.layers.${n}`, p })),
    );
    this.cache = { layers: decoder.layers, width: decoder.embedDim };
    this.attendedLayer = { layer: decoder.layers - 1, heads: decoder.heads };
  }

  override forward(srcTokens: Tensor, prevOutputTokens: Tensor, packed?: PackedRows): Tensor {
    return this.decoder.forward(prevOutputTokens, this.encoder.forward(srcTokens), packed);
  }

  /** Attention of the last layer, averaged over its heads. */
  override forwardWithAttention(
    srcTokens: Tensor,
    prevOutputTokens: Tensor,
  ): { logits: Tensor; attention: Tensor | undefined } {
    const memory = this.encoder.forward(srcTokens);
    return this.decoder.forwardWithAttention(prevOutputTokens, memory, this.attendedLayer);
  }

  override encode(srcTokens: Tensor): EncodedSource {
    const { output, padding } = this.encoder.forward(srcTokens);
    const cross = this.decoder.layers.map((layer) => layer.encoderAttn.project(output));
    return { cross, padding };
  }

  override step(
    tokens: Tensor,
    positionNumber: Tensor,
    caches: readonly LayerCaches[],
    context: StepContext,
    needAttention: boolean,
  ): { logits: Tensor; attention: Tensor | undefined } {
    return this.decoder.step(tokens, positionNumber, caches, context, needAttention);
  }
}

function refuseImpossible(config: TransformerConfig, context: ModelContext): void {
  const refuse = (place: string, problem: string, remedy: string): never => {
    throw new UserError({ place, problem, remedy });
  };
  for (const [name, { embedDim, heads }] of [
    ["encoder", encoderSide(config)],
    ["decoder", decoderSide(config)],
  ] as const) {
    if (embedDim % heads !== 0) {
      refuse(
        `--${name}-attention-heads`,
        `${heads} heads do not divide --${name}-embed-dim ${embedDim}`,
        "choose a number of heads that divides the width",
      );
    }
  }
  if (!config.share_all_embeddings) return;
  const decoder = decoderSide(config);
  if (!context.sharedDictionary) {
    refuse(
      "--share-all-embeddings",
      "source and target have different dictionaries",
      "preprocess with --joined-dictionary, or use --share-decoder-input-output-embed",
    );
  }
  if ((config.decoder_input_dim ?? decoder.embedDim) !== config.encoder_embed_dim) {
    refuse(
      "--share-all-embeddings",
      `encoder width ${config.encoder_embed_dim} and decoder width ${decoder.embedDim} differ`,
      "give both sides one width",
    );
  }
}

export const transformer = model({
  name: "transformer",
  config: transformerConfig,
  architectures,
  build: (config, context: ModelContext) => new TransformerModel(config, context),
});

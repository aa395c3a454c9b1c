// The encoder: one sentence to what the decoder's layers attend to. Vaswani et al. 2017, section 3.
import { FeedForward, InputEmbedding, ROW_BLOCK, residual } from "./blocks.ts";
import { attend, type LayerContext, LayerNorm, Linear } from "./layers.ts";
import type { Activation, Architecture, SideArchitecture } from "./manifest.ts";
import { Scratch } from "./scratch.ts";

/** A sentence as the decoder sees it. */
export interface EncodedSource {
  /** S: source tokens, end of sentence included. */
  readonly length: number;
  /** Address of (S) places: each a source token's keys and values for all layers. */
  readonly places: number;
  release(): void;
}

/** Addresses of working memory for a sentence of S tokens. */
interface Areas {
  /** (S, C) */
  readonly h: number;
  readonly attended: number;
  /** (S, 3C) */
  readonly qkv: number;
  /** (S) and (S, 2) */
  readonly places: number;
  readonly spans: number;
  /** (ROW_BLOCK, F) */
  readonly wide: number;
}

class EncoderLayer {
  private readonly inProj: Linear;
  private readonly outProj: Linear;
  private readonly selfAttnLayerNorm: LayerNorm;
  private readonly feedForward: FeedForward;
  private readonly finalLayerNorm: LayerNorm;

  constructor(
    private readonly context: LayerContext,
    name: string,
    private readonly side: SideArchitecture,
    activation: Activation,
  ) {
    const { embed_dim: C } = side;
    this.inProj = new Linear(context, `${name}.self_attn.in_proj`, 3 * C, C);
    this.outProj = new Linear(context, `${name}.self_attn.out_proj`, C, C);
    this.selfAttnLayerNorm = new LayerNorm(context, `${name}.self_attn_layer_norm`, C);
    this.feedForward = new FeedForward(context, name, side, activation);
    this.finalLayerNorm = new LayerNorm(context, `${name}.final_layer_norm`, C);
  }

  /** x (S, C), in place. */
  forward(x: number, S: number, areas: Areas): void {
    const { context, side } = this;
    const { embed_dim: C, attention_heads: heads, normalize_before: before } = side;
    const { h, qkv, attended, spans, wide } = areas;
    residual(context, { x, h, rows: S, norm: this.selfAttnLayerNorm, before }, (from) => {
      this.inProj.forward(from, S, qkv); // (S, 3C)
      const queries = { query: qkv, stepQuery: 12 * C, rows: S, spans, longest: S };
      attend(context, heads, C, { ...queries, key: 4 * C, value: 8 * C, out: attended });
      this.outProj.forward(attended, S, h); // (S, C)
    });
    residual(context, { x, h, rows: S, norm: this.finalLayerNorm, before }, (from) => {
      this.feedForward.forward(from, S, h, wide);
    });
  }
}

export class TransformerEncoder {
  private readonly embedding: InputEmbedding;
  private readonly layers: readonly EncoderLayer[];
  private readonly layerNorm: LayerNorm | undefined;
  /** Of all decoder layers: keys and values of layer 0, of layer 1, ... */
  private readonly kvProj: Linear;
  private readonly side: SideArchitecture;
  private readonly memory: Scratch;

  constructor(
    private readonly context: LayerContext,
    architecture: Architecture,
    vocabulary: number,
  ) {
    const { encoder, decoder, activation_fn } = architecture;
    this.side = encoder;
    this.embedding = new InputEmbedding(context, "encoder", architecture, vocabulary);
    this.layers = Array.from(
      { length: encoder.layers },
      (_, n) => new EncoderLayer(context, `encoder.layers.${n}`, encoder, activation_fn),
    );
    if (encoder.normalize_before) {
      this.layerNorm = new LayerNorm(context, "encoder.layer_norm", encoder.embed_dim);
    }
    const outputs = 2 * decoder.layers * decoder.embed_dim;
    this.kvProj = new Linear(context, "decoder.encoder_attn.kv_proj", outputs, encoder.embed_dim);
    this.memory = new Scratch(context.kernels);
  }

  /** @param tokens (S), without padding. The result is the caller's to release. */
  encode(tokens: Int32Array): EncodedSource {
    const { kernels } = this.context;
    const S = tokens.length;
    const { embed_dim: C, ffn_embed_dim: F } = this.side;
    const rows = 4 * S * C;
    const x = this.memory.reserve(6 * rows + 12 * S + 4 * ROW_BLOCK * F);
    const h = x + rows;
    const attended = h + rows;
    const qkv = attended + rows;
    const wide = qkv + 3 * rows;
    const places = wide + 4 * ROW_BLOCK * F;
    const areas = { h, attended, qkv, wide, places, spans: places + 4 * S };
    const positions = Int32Array.from(tokens.keys());
    this.embedding.forward(tokens, positions, x, h);
    const list = kernels.integersAt(places, S);
    for (let s = 0; s < S; s++) list[s] = qkv + 12 * C * s;
    const spans = kernels.integersAt(areas.spans, 2 * S);
    for (let s = 0; s < S; s++) spans.set([places / 4, S], 2 * s);
    for (const layer of this.layers) layer.forward(x, S, areas);
    this.layerNorm?.forward(x, x, S);
    return this.project(x, S);
  }

  release(): void {
    this.memory.release();
  }

  /** Encoder output x (S, C) to keys and values, in memory of their own behind their addresses. */
  private project(x: number, S: number): EncodedSource {
    const { kernels } = this.context;
    const step = 4 * this.kvProj.outputs;
    const padded = Math.ceil(S / 4) * 16;
    const places = kernels.heap.allocate(padded + S * step);
    try {
      this.kvProj.forward(x, S, places + padded);
    } catch (error) {
      kernels.heap.release(places);
      throw error;
    }
    const list = kernels.integersAt(places, S);
    for (let s = 0; s < S; s++) list[s] = places + padded + s * step;
    return { length: S, places, release: () => kernels.heap.release(places) };
  }
}

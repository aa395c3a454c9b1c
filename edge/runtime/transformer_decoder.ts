// The decoder, one token of any number of rows at a time. Rows need nothing in common: each has its own
// past and its own source, so requests join and leave at any step.
import { FeedForward, InputEmbedding, ROW_BLOCK, residual } from "./blocks.ts";
import { attend, type LayerContext, LayerNorm, Linear } from "./layers.ts";
import type { Activation, Architecture } from "./manifest.ts";
import { PastPlaces } from "./past.ts";
import { Scratch } from "./scratch.ts";
import type { EncodedSource } from "./transformer_encoder.ts";

type DecoderArchitecture = Architecture["decoder"];

/** What a step computes on, row by row. */
export interface DecoderRows {
  /** (M) the token that each row ended with. */
  readonly tokens: Int32Array;
  /** (M) how many tokens stand before it. */
  readonly positions: Int32Array;
  /** (M) the place that the token's keys and values get, after those of its past. */
  readonly places: Int32Array;
  /** (M) */
  readonly sources: readonly EncodedSource[];
  /** Whether attention to the source is wanted. */
  readonly attention: boolean;
}

/** Addresses of what a step leaves; they hold until the next step. */
export interface DecoderOutput {
  /** (M, output_dim) what the output layer reads. */
  readonly features: number;
  /** (M, longest) attention to the source, zero beyond a row's own; 0 if it was not wanted. */
  readonly attention: number;
  /** The longest source. */
  readonly longest: number;
}

/** Addresses of working memory for M rows. */
interface Areas {
  readonly h: number;
  readonly query: number;
  readonly attended: number;
  readonly wide: number;
  /** (M, 2) where each row's past, and its source, is listed. */
  readonly pastSpans: number;
  readonly sourceSpans: number;
  readonly longestPast: number;
  readonly longestSource: number;
  /** (M, longestSource) or 0. */
  readonly weights: number;
}

class DecoderLayer {
  private readonly inProj: Linear;
  private readonly selfOutProj: Linear;
  private readonly selfAttnLayerNorm: LayerNorm;
  private readonly qProj: Linear;
  private readonly crossOutProj: Linear;
  private readonly encoderAttnLayerNorm: LayerNorm;
  private readonly feedForward: FeedForward;
  private readonly finalLayerNorm: LayerNorm;
  /** Bytes from a place to this layer's keys and values. */
  private readonly key: number;
  private readonly value: number;

  constructor(
    private readonly context: LayerContext,
    number: number,
    private readonly side: DecoderArchitecture,
    activation: Activation,
  ) {
    const name = `decoder.layers.${number}`;
    const { embed_dim: C } = side;
    this.inProj = new Linear(context, `${name}.self_attn.in_proj`, 3 * C, C);
    this.selfOutProj = new Linear(context, `${name}.self_attn.out_proj`, C, C);
    this.selfAttnLayerNorm = new LayerNorm(context, `${name}.self_attn_layer_norm`, C);
    this.qProj = new Linear(context, `${name}.encoder_attn.q_proj`, C, C);
    this.crossOutProj = new Linear(context, `${name}.encoder_attn.out_proj`, C, C);
    this.encoderAttnLayerNorm = new LayerNorm(context, `${name}.encoder_attn_layer_norm`, C);
    this.feedForward = new FeedForward(context, name, side, activation);
    this.finalLayerNorm = new LayerNorm(context, `${name}.final_layer_norm`, C);
    this.key = 8 * C * number;
    this.value = this.key + 4 * C;
  }

  /**
   * x (M, C), in place.
   *
   * @param newest (M) addresses of the rows' new places. @param weights address for the attention, or 0.
   */
  step(x: number, newest: Int32Array, areas: Areas, weights: number): void {
    const { context, side, key, value } = this;
    const { embed_dim: C, attention_heads: heads, normalize_before: before } = side;
    const { h, query, attended, wide } = areas;
    const rows = newest.length;
    residual(context, { x, h, rows, norm: this.selfAttnLayerNorm, before }, (from) => {
      this.inProj.forward(from, rows, query); // (M, 3C)
      this.remember(newest, query);
      const { pastSpans: spans, longestPast: longest } = areas;
      const queries = { query, stepQuery: 12 * C, rows, spans, longest };
      attend(context, heads, C, { ...queries, key, value, out: attended });
      this.selfOutProj.forward(attended, rows, h);
    });
    residual(context, { x, h, rows, norm: this.encoderAttnLayerNorm, before }, (from) => {
      this.qProj.forward(from, rows, query); // (M, C)
      const { sourceSpans: spans, longestSource: longest } = areas;
      const queries = { query, stepQuery: 4 * C, rows, spans, longest };
      attend(context, heads, C, { ...queries, key, value, out: attended, weights });
      this.crossOutProj.forward(attended, rows, h);
    });
    residual(context, { x, h, rows, norm: this.finalLayerNorm, before }, (from) => {
      this.feedForward.forward(from, rows, h, wide);
    });
  }

  /** Keys and values of the new tokens, from (M, 3C), to their places. */
  private remember(newest: Int32Array, qkv: number): void {
    const C = this.side.embed_dim;
    const bytes = this.context.kernels.bytesAt(0, this.context.kernels.bytes);
    for (const [row, place] of newest.entries()) {
      const from = qkv + 4 * C * (3 * row + 1);
      bytes.copyWithin(place + this.key, from, from + 8 * C);
    }
  }
}

export class TransformerDecoder {
  readonly past: PastPlaces;
  private readonly embedding: InputEmbedding;
  private readonly layers: readonly DecoderLayer[];
  private readonly layerNorm: LayerNorm | undefined;
  private readonly projectOut: Linear | undefined;
  private readonly side: DecoderArchitecture;
  private readonly memory: Scratch;

  constructor(
    private readonly context: LayerContext,
    architecture: Architecture,
    vocabulary: number,
  ) {
    const { decoder, activation_fn } = architecture;
    this.side = decoder;
    const { layers, embed_dim: C, output_dim, final_norm } = decoder;
    this.embedding = new InputEmbedding(context, "decoder", architecture, vocabulary);
    this.layers = Array.from(
      { length: layers },
      (_, n) => new DecoderLayer(context, n, decoder, activation_fn),
    );
    if (final_norm) this.layerNorm = new LayerNorm(context, "decoder.layer_norm", C);
    if (output_dim !== C) {
      this.projectOut = new Linear(context, "decoder.project_out_dim", output_dim, C);
    }
    this.past = new PastPlaces(context.kernels, 8 * C * layers);
    this.memory = new Scratch(context.kernels);
  }

  step(rows: DecoderRows): DecoderOutput {
    const { tokens, positions, places, attention } = rows;
    const x = this.layout(rows);
    const { areas, address } = x;
    this.embedding.forward(tokens, positions, address, areas.h);
    const newest = places.map((place) => this.past.at(place));
    for (const [n, layer] of this.layers.entries()) {
      const shown = attention && n === this.layers.length - 1;
      layer.step(address, newest, areas, shown ? areas.weights : 0);
    }
    this.layerNorm?.forward(address, address, tokens.length);
    const longest = areas.longestSource;
    const output = { attention: attention ? areas.weights : 0, longest };
    if (!this.projectOut) return { features: address, ...output };
    this.projectOut.forward(address, tokens.length, areas.h);
    return { features: areas.h, ...output };
  }

  release(): void {
    this.memory.release();
    this.past.release();
  }

  /** Reserves memory for all rows and lists what each attends to. */
  private layout({ tokens, positions, places, sources, attention }: DecoderRows): {
    address: number;
    areas: Areas;
  } {
    const { kernels } = this.context;
    const { embed_dim: C, ffn_embed_dim: F, input_dim, output_dim } = this.side;
    const M = tokens.length;
    const longestSource = sources.reduce((most, { length }) => Math.max(most, length), 0);
    const longestPast = positions.reduce((most, position) => Math.max(most, position), 0) + 1;
    const listed = positions.reduce((sum, position) => sum + position + 1, 0);
    const row = 4 * M * C;
    const h = 4 * M * Math.max(C, input_dim, output_dim);
    const weightBytes = attention ? 4 * M * longestSource : 0;
    const wide = 4 * Math.min(M, ROW_BLOCK) * F;
    const total = 5 * row + h + wide + 16 * M + 4 * listed + weightBytes;
    let at = this.memory.reserve(total);
    const take = (bytes: number): number => {
      at += bytes;
      return at - bytes;
    };
    const address = take(row);
    const areas = {
      h: take(h),
      query: take(3 * row),
      attended: take(row),
      wide: take(wide),
      pastSpans: take(8 * M),
      sourceSpans: take(8 * M),
      weights: take(weightBytes),
      longestPast,
      longestSource,
    };
    const lists = take(4 * listed);
    const list = kernels.integersAt(lists, listed);
    const pastSpans = kernels.integersAt(areas.pastSpans, 2 * M);
    const sourceSpans = kernels.integersAt(areas.sourceSpans, 2 * M);
    let from = 0;
    for (let m = 0; m < M; m++) {
      const length = positions[m] + 1;
      this.past.write(places[m], length, list, from);
      pastSpans.set([lists / 4 + from, length], 2 * m);
      sourceSpans.set([sources[m].places / 4, sources[m].length], 2 * m);
      from += length;
    }
    return { address, areas };
  }
}

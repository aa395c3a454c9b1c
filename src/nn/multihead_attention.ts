import {
  attention,
  attentionWeights,
  cachedAttention,
  type SourceOperands,
  sourceAttention,
} from "../../kernels/attention/index.ts";
import { currentRandomness } from "../engine/randomness.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { xavierUniform, zeros } from "./initializer.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import type { PackedRows } from "./packed_rows.ts";

export interface MultiheadAttentionOptions {
  readonly embedDim: number;
  readonly heads: number;
  /** Width of keys and values where it is not embedDim. */
  readonly kvDim?: number;
  readonly dropout?: number;
}

/** Keys and values after projection, (B, S, E) each. */
export interface KeysAndValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** Which keys a query sees, and how queries lie. */
export interface AttentionLayout {
  /** Position t sees keys 0..t only. */
  readonly causal?: boolean;
  /** Queries are packed so. */
  readonly packed?: PackedRows;
  /** Keys, values and their padding too. */
  readonly packsKeys?: boolean;
}

/** Vaswani et al. 2017, section 3.2.2. */
export class MultiheadAttention extends Module {
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly qProj: Linear;
  readonly outProj: Linear;

  constructor(private readonly options: MultiheadAttentionOptions) {
    super();
    const { embedDim, kvDim = embedDim } = options;
    // fairseq scales the initial weights down where q, k and v have one width.
    const initializeWeight = xavierUniform(kvDim === embedDim ? Math.SQRT1_2 : 1);
    this.kProj = new Linear(kvDim, embedDim, { initializeWeight });
    this.vProj = new Linear(kvDim, embedDim, { initializeWeight });
    this.qProj = new Linear(embedDim, embedDim, { initializeWeight });
    this.outProj = new Linear(embedDim, embedDim, {
      initializeWeight: xavierUniform(),
      initializeBias: zeros,
    });
  }

  /** Source (B, S, kvDim) -> keys and values (B, S, E). */
  project(source: Tensor): KeysAndValues {
    return { keys: this.kProj.forward(source), values: this.vProj.forward(source) };
  }

  /**
   * @param query (B, T, E), or (N, E) where its positions are packed; keys and values likewise.
   * @param padding i32 (B, S), 1 where a key is padding; (N) where keys are packed.
   * @returns like the query.
   */
  forward(
    query: Tensor,
    { keys, values }: KeysAndValues,
    padding: Tensor | undefined,
    { causal = false, packed, packsKeys = false }: AttentionLayout = {},
  ): Tensor {
    const { heads, dropout: p = 0 } = this.options;
    const randomness = p > 0 ? currentRandomness() : undefined;
    const context = attention(this.qProj.forward(query), keys, values, {
      heads,
      causal,
      keyPadding: padding,
      packed: packed && { longest: packed.longest, keys: packsKeys, starts: packed.starts },
      dropout: randomness && { p, key: randomness.key, stream: randomness.nextStream() },
    }); // (B, T, E) or (N, E)
    return this.outProj.forward(context);
  }

  /** Probabilities (B, T, S), averaged over the first `selectedHeads`, by default all. No dropout. */
  weights(
    query: Tensor,
    keys: Tensor,
    padding: Tensor | undefined,
    selectedHeads?: number,
  ): Tensor {
    const { heads } = this.options;
    const options = { heads, keyPadding: padding, selectedHeads };
    return attentionWeights(this.qProj.forward(query), keys, options);
  }

  /**
   * One decoding step over a cache. Row r's key at position j < length lies at
   * caches.keys[ancestors[r, j], j].
   *
   * @param query (R, E). @param ancestors i32 (R, L). @param length i32 scalar.
   * @returns (R, E).
   */
  step(query: Tensor, caches: KeysAndValues, ancestors: Tensor, length: Tensor): Tensor {
    const { heads } = this.options;
    const context = cachedAttention(
      this.qProj.forward(query),
      caches.keys,
      caches.values,
      ancestors,
      length,
      { heads },
    ); // (R, E)
    return this.outProj.forward(context);
  }

  /**
   * One decoding step's attention to the sources, R / B rows of each sentence one after the other.
   *
   * @param query (R, E). @param widest bound of the sources' width.
   * @returns (R, E).
   */
  stepToSource(query: Tensor, source: SourceOperands, widest: number): Tensor {
    const { heads } = this.options;
    const context = sourceAttention(this.qProj.forward(query), source, { heads, widest }); // (R, E)
    return this.outProj.forward(context);
  }
}

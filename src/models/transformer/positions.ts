import {
  LearnedPositionalEmbedding,
  type PositionalEmbedding,
  SinusoidalPositionalEmbedding,
} from "../../nn/positional_embedding.ts";
import type { SideConfig, TransformerConfig } from "./config.ts";

/** The position rows of one side. Learned ones may have another width where inputs are projected. */
export function positionalEmbedding(
  config: TransformerConfig,
  side: SideConfig,
  padding: number,
): PositionalEmbedding | undefined {
  if (config.no_token_positional_embeddings) return undefined;
  const rows = side.maxPositions + padding + 1;
  return side.learnedPositions
    ? new LearnedPositionalEmbedding(rows, side.embedDim, padding)
    : new SinusoidalPositionalEmbedding(rows, side.embedDim, padding);
}

// What encoder and decoder layers share: residual branches, the feed-forward block, embeddings.
import { Embedding, type LayerContext, LayerNorm, Linear } from "./layers.ts";
import {
  ACTIVATIONS,
  type Activation,
  type Architecture,
  type SideArchitecture,
} from "./manifest.ts";
import { Positions } from "./positions.ts";

/** Rows that pass a wide layer at a time, so that long sentences need no more memory there. */
export const ROW_BLOCK = 40;

/** A residual branch over x (M, C); `h` (M, C) is working memory. */
export interface Branch {
  readonly x: number;
  readonly h: number;
  readonly rows: number;
  readonly norm: LayerNorm;
  /** Whether the norm comes before the block (pre-norm). */
  readonly before: boolean;
}

/**
 * x += block(norm(x)) when pre-norm, x = norm(x + block(x)) when post-norm.
 *
 * @param block reads (M, C) at `from` and leaves its result at h, which may be the same place.
 */
export function residual(
  { kernels }: LayerContext,
  { x, h, rows, norm, before }: Branch,
  block: (from: number) => void,
): void {
  if (before) {
    norm.forward(x, h, rows);
    block(h);
    kernels.run.add_rows(x, h, rows * norm.width);
  } else {
    block(x);
    norm.afterResidual(x, h, rows);
  }
}

/** fc2(activation(fc1(x))). */
export class FeedForward {
  private readonly fc1: Linear;
  private readonly fc2: Linear;
  private readonly activation: number;

  constructor(context: LayerContext, name: string, side: SideArchitecture, activation: Activation) {
    const { embed_dim: C, ffn_embed_dim: F } = side;
    this.fc1 = new Linear(context, `${name}.fc1`, F, C);
    this.fc2 = new Linear(context, `${name}.fc2`, C, F);
    this.activation = ACTIVATIONS.indexOf(activation);
  }

  /** @param wide address of (ROW_BLOCK, F). @param y address of (M, C), may be x. */
  forward(x: number, rows: number, y: number, wide: number): void {
    const step = 4 * this.fc1.inputs;
    for (let row = 0; row < rows; row += ROW_BLOCK) {
      const count = Math.min(ROW_BLOCK, rows - row);
      this.fc1.forward(x + row * step, count, wide, undefined, this.activation);
      this.fc2.forward(wide, count, y + row * step);
    }
  }
}

/** Tokens and where they stand, to the rows that the first layer reads. */
export class InputEmbedding {
  private readonly tokens: Embedding;
  private readonly positions: Positions;
  private readonly projectIn: Linear | undefined;
  private readonly norm: LayerNorm | undefined;
  private readonly width: number;
  private readonly scale: number;

  constructor(
    private readonly context: LayerContext,
    name: "encoder" | "decoder",
    architecture: Architecture,
    vocabulary: number,
  ) {
    const side = architecture[name];
    const inputDim = name === "decoder" ? architecture.decoder.input_dim : side.embed_dim;
    this.width = side.embed_dim;
    this.scale = side.embed_scale;
    this.tokens = new Embedding(context, `${name}.embed_tokens`, vocabulary, inputDim);
    this.positions = new Positions(context, side, `${name}.embed_positions`);
    if (inputDim !== this.width) {
      this.projectIn = new Linear(context, `${name}.project_in_dim`, this.width, inputDim);
    }
    if (side.layernorm_embedding) {
      this.norm = new LayerNorm(context, `${name}.layernorm_embedding`, this.width);
    }
  }

  /**
   * @param tokens (M). @param positions (M) each token's index in its sentence.
   * @param x address of (M, C), overwritten. @param h address of (M, max(C, input_dim)), working memory.
   */
  forward(tokens: Int32Array, positions: Int32Array, x: number, h: number): void {
    const { projectIn, width, scale } = this;
    const { run } = this.context.kernels;
    for (let m = 0; m < tokens.length; m++) {
      const position = this.positions.at(positions[m]);
      const to = x + 4 * width * m;
      if (projectIn) {
        this.tokens.read(tokens[m], scale, 0, h);
        projectIn.forward(h, 1, to);
        if (position !== 0) run.add_rows(to, position, width);
      } else this.tokens.read(tokens[m], scale, position, to);
    }
    this.norm?.forward(x, x, tokens.length);
  }
}

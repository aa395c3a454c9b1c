// Where a token stands. Positions count from padding + 1, for tokens that are not padding;
// padding stands at `padding`, whose row is zero (reference 2.11).
import { embedding, positions } from "../../kernels/embedding/index.ts";
import { currentFloat } from "../engine/precision.ts";
import { sinusoid } from "../sinusoid.ts";
import { constant, type Tensor } from "../tensor/tensor.ts";
import { embeddingNormal } from "./initializer.ts";
import { Module, Parameter } from "./module.ts";

export interface PositionalEmbedding extends Module {
  /** Tokens (B, T) -> (B, T, C). */
  forward(tokens: Tensor): Tensor;
  /** Position numbers (...) -> (..., C). */
  at(positions: Tensor): Tensor;
}

/**
 * Rows 0..rows-1 of fairseq's sinusoids: sines in the first half of the columns, cosines in the
 * second, wavelengths in geometric progression from 2 pi to 20000 pi. (rows, C).
 * Vaswani et al. 2017, section 3.5, with halves in place of interleaved columns.
 */
export function sinusoidalTable(rows: number, width: number, padding: number): Float32Array {
  const table = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    if (row !== padding) sinusoid(row, table.subarray(row * width, (row + 1) * width));
  }
  return table;
}

/** The table that was made last: encoder and decoder mostly want the same one, which a device then holds once. */
let latest: { readonly key: string; readonly table: Float32Array } | undefined;

function sharedTable(rows: number, width: number, padding: number): Float32Array {
  const key = `${rows} ${width} ${padding}`;
  if (latest?.key !== key) latest = { key, table: sinusoidalTable(rows, width, padding) };
  return latest.table;
}

/** Fixed sinusoids; not a parameter. */
export class SinusoidalPositionalEmbedding extends Module implements PositionalEmbedding {
  private readonly table: Float32Array;

  constructor(
    private readonly rows: number,
    private readonly width: number,
    private readonly padding: number,
  ) {
    super();
    this.table = sharedTable(rows, width, padding);
  }

  forward(tokens: Tensor): Tensor {
    return this.at(positions(tokens, this.padding));
  }

  at(numbers: Tensor): Tensor {
    const rows = constant(this.table, [this.rows, this.width], currentFloat());
    return embedding(rows, numbers, { paddingIndex: this.padding, scale: 1 });
  }
}

/** Trained rows. */
export class LearnedPositionalEmbedding extends Module implements PositionalEmbedding {
  readonly weight: Parameter;

  constructor(
    rows: number,
    width: number,
    private readonly padding: number,
  ) {
    super();
    this.weight = new Parameter([rows, width], embeddingNormal(width ** -0.5, padding));
  }

  forward(tokens: Tensor): Tensor {
    return this.at(positions(tokens, this.padding));
  }

  at(numbers: Tensor): Tensor {
    return embedding(this.weight.value, numbers, { paddingIndex: this.padding, scale: 1 });
  }
}

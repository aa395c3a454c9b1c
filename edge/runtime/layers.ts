// The layers that a Transformer is made of, over weights in the kernels' memory.
import type { Kernels } from "./kernels.ts";
import { Scratch } from "./scratch.ts";
import type { PlacedTensor, Weights } from "./weights.ts";

/** What layers share: the kernels and their working memory. */
export class LayerContext {
  /** Quantised activations, their scales, and a row of expanded weights. */
  readonly activations: Scratch;
  /** Statistics of norms. */
  readonly statistics: Scratch;
  /** Scores of attention. */
  readonly scores: Scratch;

  constructor(
    readonly kernels: Kernels,
    readonly weights: Weights,
  ) {
    this.activations = new Scratch(kernels);
    this.statistics = new Scratch(kernels);
    this.scores = new Scratch(kernels);
  }

  release(): void {
    for (const scratch of [this.activations, this.statistics, this.scores]) scratch.release();
  }
}

const LINEAR = 0;

const roundUp32 = (n: number): number => Math.ceil(n / 32) * 32;

/** A matrix (rows, columns) with what its dtype needs beside it. */
interface Matrix extends PlacedTensor {
  readonly scales: number;
  readonly steps: number;
}

function matrix(weights: Weights, name: string, rows: number, columns: number): Matrix {
  const tensor = weights.get(name, [rows, columns]);
  const { dtype } = tensor;
  const scales = dtype === "f32" ? 0 : weights.floats(`${name}_scale`, [rows]);
  const blocks = Math.ceil(columns / 32);
  const steps = dtype === "i4" ? weights.get(`${name}_step`, [rows, blocks]).address : 0;
  return { ...tensor, scales, steps };
}

/** y = activation(x W^T + b): (M, K) -> (M, N). */
export class Linear {
  private readonly weight: Matrix;
  private readonly bias: number;

  /** @param name of the parameter; its bias is used where it has one. */
  constructor(
    private readonly context: LayerContext,
    name: string,
    readonly outputs: number,
    readonly inputs: number,
  ) {
    const { weights } = context;
    this.weight = matrix(weights, `${name}.weight`, outputs, inputs);
    this.bias = weights.has(`${name}.bias`) ? weights.floats(`${name}.bias`, [outputs]) : 0;
  }

  /**
   * @param x address of (rows, K). @param y address of the first row; rows lie `stepY` bytes apart.
   */
  forward(x: number, rows: number, y: number, stepY = 4 * this.outputs, activation = LINEAR): void {
    const { kernels, activations } = this.context;
    const { run } = kernels;
    const { outputs: N, inputs: K, bias, weight } = this;
    const { address: w, scales, steps, dtype } = weight;
    const width = roundUp32(K);
    const quantised = activations.reserve(2 * width * (rows + 1) + 8 * rows);
    if (dtype === "f32") {
      run.linear_f32(x, w, bias, y, quantised, stepY, rows, N, K, activation);
      return;
    }
    const expanded = quantised + 2 * width * rows; // two rows of weights
    const known = expanded + 2 * width;
    const sizes = [stepY, rows, N, K, activation] as const;
    if (dtype === "i8") {
      run.quantise_rows(x, quantised, known, rows, K);
      run.linear_i8(quantised, known, w, scales, bias, y, ...sizes);
    } else {
      run.quantise_rows_i16(x, quantised, known, rows, K);
      run.linear_i4(quantised, known, w, steps, scales, bias, y, expanded, ...sizes);
    }
  }
}

/** Rows of a table: token (1) -> (C). */
export class Embedding {
  private readonly table: Matrix;

  constructor(
    private readonly context: LayerContext,
    name: string,
    rows: number,
    readonly width: number,
  ) {
    this.table = matrix(context.weights, `${name}.weight`, rows, width);
  }

  /** out (C) = factor table[row] + added. @param added address of (C), or 0. */
  read(row: number, factor: number, added: number, out: number): void {
    const { run } = this.context.kernels;
    const { address, scales, steps, dtype } = this.table;
    const C = this.width;
    if (dtype === "f32") run.embed_f32(address, row, factor, added, out, C);
    else if (dtype === "i8") run.embed_i8(address, scales, row, factor, added, out, C);
    else run.embed_i4(address, steps, scales, row, factor, added, out, C);
  }
}

/** PyTorch's and fairseq's default. */
const EPSILON = 1e-5;

export class LayerNorm {
  private readonly gain: number;
  private readonly bias: number;

  constructor(
    private readonly context: LayerContext,
    name: string,
    readonly width: number,
  ) {
    this.gain = context.weights.floats(`${name}.weight`, [width]);
    this.bias = context.weights.floats(`${name}.bias`, [width]);
  }

  /** y = norm(x), (M, C); y may be x. */
  forward(x: number, y: number, rows: number): void {
    this.apply(x, 0, y, rows);
  }

  /** x = norm(x + residual), (M, C). */
  afterResidual(x: number, residual: number, rows: number): void {
    this.apply(x, residual, x, rows);
  }

  private apply(x: number, residual: number, y: number, rows: number): void {
    const { kernels, statistics } = this.context;
    const { gain, bias, width } = this;
    const scratch = statistics.reserve(8 * rows);
    kernels.run.layer_norm(x, residual, gain, bias, y, x, scratch, rows, width, EPSILON);
  }
}

/** Attention of rows to lists of places; see kernels/quantised/attention.as.ts. */
export interface AttentionRows {
  /** Address of the queries, and bytes from one to the next. */
  readonly query: number;
  readonly stepQuery: number;
  readonly rows: number;
  /** Address of (rows, 2): each row's list of places as an index of 4 bytes, and its length. */
  readonly spans: number;
  /** The longest list. */
  readonly longest: number;
  /** Bytes from a place to the layer's key and value. */
  readonly key: number;
  readonly value: number;
  /** Address of (rows, C). */
  readonly out: number;
  /** Address of (rows, longest) for the mean probabilities of the heads, or 0. */
  readonly weights?: number;
}

export function attend(
  context: LayerContext,
  heads: number,
  width: number,
  rows: AttentionRows,
): void {
  const { kernels, scores } = context;
  const { query, stepQuery, spans, key, value, out, weights = 0, rows: M, longest } = rows;
  const scratch = scores.reserve(64 * Math.ceil(longest / 8) + 16);
  const D = width / heads;
  const sizes = [M, heads, D, longest, D ** -0.5] as const;
  kernels.run.attend(query, stepQuery, 0, spans, key, value, out, weights, scratch, ...sizes);
}

// The search's StepDecoder over a compiled model: key/value caches on the device, candidates chosen
// there, a few numbers per row brought back.

import type {
  CandidateRequest,
  DecoderState,
  DecodeStart,
  RowCandidates,
  SourceBatch,
  StepDecoder,
  StepInput,
  StepRows,
  TokenRules,
} from "../decode/step_decoder.ts";
import { rowCandidates } from "../decode/token_rules.ts";
import type { Device, Span } from "../device/device.ts";
import type { HostTensor } from "../engine/compile.ts";
import { DecodingWorkspace } from "./decoding_workspace.ts";
import type { EncoderDecoderModel } from "./model.ts";

/** Source widths are rounded up to this, so that workspaces and plans serve more batches. */
const WIDTH_MULTIPLE = 8;

/** Workspaces are kept while together they need no more than this. */
const WORKSPACE_BYTES = 2 ** 30;

export interface DeviceStepDecoderOptions {
  readonly vocabulary: number;
  readonly padding: number;
  /** When given, every run appends its spans. */
  readonly spans?: Span[];
}

export class DeviceStepDecoder implements StepDecoder {
  readonly vocabulary: number;
  readonly maxPositions: number;
  /** In order of use. */
  private readonly workspaces = new Map<string, DecodingWorkspace>();

  constructor(
    private readonly device: Device,
    private readonly model: EncoderDecoderModel,
    private readonly options: DeviceStepDecoderOptions,
  ) {
    this.vocabulary = options.vocabulary;
    this.maxPositions = model.maxPositions.target;
  }

  async start(batch: SourceBatch, options: DecodeStart): Promise<DecoderState> {
    const width = Math.ceil(batch.width / WIDTH_MULTIPLE) * WIDTH_MULTIPLE;
    const workspace = this.workspaceFor({
      sentences: batch.sentences,
      width,
      beam: options.beam,
      temperature: options.temperature,
      attention: options.attention,
    });
    workspace.encode({ data: this.widen(batch, width), shape: [batch.sentences, width] });
    return new DeviceDecoderState(workspace, this.vocabulary, this.options.padding, batch.width);
  }

  /** Frees all device memory. */
  close(): void {
    for (const workspace of this.workspaces.values()) workspace.release();
    this.workspaces.clear();
  }

  private workspaceFor(shape: DecodingWorkspace["shape"]): DecodingWorkspace {
    const key = Object.values(shape).join();
    let workspace = this.workspaces.get(key);
    if (workspace) this.workspaces.delete(key);
    else {
      workspace = new DecodingWorkspace(this.device, this.model, shape, this.options.spans);
      this.makeRoom(workspace.bytes);
    }
    this.workspaces.set(key, workspace);
    return workspace;
  }

  private makeRoom(bytes: number): void {
    let total = bytes;
    for (const workspace of this.workspaces.values()) total += workspace.bytes;
    for (const [key, workspace] of this.workspaces) {
      if (total <= WORKSPACE_BYTES) return;
      total -= workspace.bytes;
      workspace.release();
      this.workspaces.delete(key);
    }
  }

  /** Adds columns of padding on the left, which positions and attention pass over. */
  private widen({ tokens, sentences, width }: SourceBatch, wider: number): Int32Array {
    if (wider === width) return tokens;
    const result = new Int32Array(sentences * wider).fill(this.options.padding);
    for (let row = 0; row < sentences; row++) {
      const from = tokens.subarray(row * width, (row + 1) * width);
      result.set(from, row * wider + wider - width);
    }
    return result;
  }
}

class DeviceDecoderState implements DecoderState {
  /** (R, L): for each row and position, the row of the caches where it was written. */
  private ancestors: Int32Array;
  private capacity: number;
  private sentences: number;
  private readonly bias: Float32Array;

  constructor(
    private readonly workspace: DecodingWorkspace,
    private readonly vocabulary: number,
    private readonly padding: number,
    private readonly width: number,
  ) {
    const { sentences, beam } = workspace.shape;
    this.sentences = sentences;
    this.capacity = workspace.reserve(1);
    this.ancestors = new Int32Array(sentences * beam * this.capacity);
    this.bias = new Float32Array(vocabulary);
  }

  async step(input: StepInput): Promise<StepRows> {
    const results = this.workspace.rows(this.prepare(input));
    const logProbs = (await results.logProbs.read()) as Float32Array;
    return { logProbs, attention: await this.attention(results, input.rows) };
  }

  async candidates(input: StepInput, request: CandidateRequest): Promise<RowCandidates> {
    const { rules, scores } = request;
    if (rules.forced || rules.rowBans) {
      // Rules that differ from row to row are applied to whole rows on the host.
      const { logProbs, attention } = await this.step(input);
      return { ...rowCandidates(logProbs, input.rows, this.vocabulary, request), attention };
    }
    this.writeBias(rules);
    const count = Math.min(request.count, this.vocabulary);
    const bias = { data: this.bias, shape: [this.vocabulary] };
    const results = this.workspace.best(this.prepare(input), bias, count);
    const logProbs = (await results.logProbs.read()) as Float32Array;
    const tokens = (await results.tokens.read()) as Int32Array;
    // In place, in float32: what the search would add itself.
    for (let row = 0, i = 0; row < input.rows; row++) {
      for (let candidate = 0; candidate < count; candidate++, i++) logProbs[i] += scores[row];
    }
    const attention = await this.attention(results, input.rows);
    if (count === request.count) return { scores: logProbs, tokens, attention };
    return { ...padded(logProbs, tokens, input.rows, count, request.count), attention };
  }

  private prepare(input: StepInput) {
    const { beam } = this.workspace.shape;
    if (input.keptSentences) {
      this.workspace.keep(input.keptSentences, this.sentences);
      this.sentences = input.keptSentences.length;
    }
    if (input.rows !== this.sentences * beam) {
      throw new Error(`decoder: ${input.rows} rows for ${this.sentences} sentences of ${beam}`);
    }
    this.follow(input);
    const number = (value: number): HostTensor => ({ data: new Int32Array([value]), shape: [] });
    const { rows, step } = input;
    return {
      tokens: { data: input.tokens.slice(0, rows), shape: [rows] },
      position: number(step),
      length: number(step + 1),
      // The first token stands at padding + 1, as positional embeddings count.
      number: { data: new Int32Array([this.padding + 1 + step]), shape: [1] },
      ancestors: { data: this.ancestors, shape: [rows, this.capacity] },
    };
  }

  /** Each row takes over the history of the row that it continues, and writes its own slot next. */
  private follow({ rows, step, reorder }: StepInput): void {
    const before = this.capacity;
    this.capacity = this.workspace.reserve(step + 1);
    const old = this.ancestors;
    const next = new Int32Array(rows * this.capacity);
    for (let row = 0; row < rows; row++) {
      const from = (reorder ? reorder[row] : row) * before;
      next.set(old.subarray(from, from + step), row * this.capacity);
      next[row * this.capacity + step] = row;
    }
    this.ancestors = next;
  }

  private writeBias({ banned, only, penalised, penalty }: TokenRules): void {
    const { bias } = this;
    bias.fill(only === undefined ? 0 : Number.NEGATIVE_INFINITY);
    if (only !== undefined) bias[only] = 0;
    if (penalty !== 0) bias[penalised] -= Math.fround(penalty);
    for (const token of banned) bias[token] = Number.NEGATIVE_INFINITY;
  }

  /** (rows, S) without the columns that were added to round the width up. */
  private async attention(
    results: Record<string, { read(): Promise<unknown> }>,
    rows: number,
  ): Promise<Float32Array | undefined> {
    if (!results.attention) return undefined;
    const wide = (await results.attention.read()) as Float32Array;
    const { width } = this.workspace.shape;
    if (width === this.width) return wide;
    const narrow = new Float32Array(rows * this.width);
    for (let row = 0; row < rows; row++) {
      const start = row * width + width - this.width;
      narrow.set(wide.subarray(start, start + this.width), row * this.width);
    }
    return narrow;
  }
}

/** Rows of `count` candidates widened to `wanted`, the rest at -Infinity. */
function padded(
  scores: Float32Array,
  tokens: Int32Array,
  rows: number,
  count: number,
  wanted: number,
): { scores: Float32Array; tokens: Int32Array } {
  const wide = {
    scores: new Float32Array(rows * wanted).fill(Number.NEGATIVE_INFINITY),
    tokens: new Int32Array(rows * wanted),
  };
  for (let row = 0; row < rows; row++) {
    wide.scores.set(scores.subarray(row * count, (row + 1) * count), row * wanted);
    wide.tokens.set(tokens.subarray(row * count, (row + 1) * count), row * wanted);
  }
  return wide;
}

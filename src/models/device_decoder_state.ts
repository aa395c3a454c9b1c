// One batch being decoded on a device. The search numbers its live sentences anew whenever some finish,
// and so do the rows here; nothing on the device is moved, since steps say where each row's source and
// past lie.
import type {
  CandidateRequest,
  DecoderState,
  RowCandidates,
  SourceBatch,
  StepInput,
  StepRows,
} from "../decode/step_decoder.ts";
import { rowCandidates, writeBias } from "../decode/token_rules.ts";
import type { HostTensor } from "../engine/compile.ts";
import type { DecodingWorkspace, StepKind } from "./decoding_workspace.ts";
import type { SelfAttentionCache } from "./self_attention_cache.ts";

export interface DecoderStateParts {
  readonly workspace: DecodingWorkspace;
  readonly cache: SelfAttentionCache;
  readonly kind: StepKind;
  /** Of the sources as they were encoded: that of the batch, or more. */
  readonly width: number;
  readonly vocabulary: number;
  readonly padding: number;
  /** How many numbers of sentences have a plan of their own from n to 2 n; a power of two. */
  readonly sizes: number;
}

/** With four sizes to each doubling: 1 to 8, 10, 12, 14, 16, 20, ..., so at most a quarter is idle. */
export function roundedCount(count: number, sizes: number): number {
  const step = Math.max(1, 2 ** Math.floor(Math.log2(count)) / sizes);
  return Math.ceil(count / step) * step;
}

export class DeviceDecoderState implements DecoderState {
  /** (live sentences) the number in the batch of each; ascending. */
  private slots: Int32Array;
  /** (device rows, L): for each row and position, the row of the cache where it was written. */
  private ancestors = new Int32Array(0);
  private positions = 0;
  /** Rows per sentence in the step before. */
  private beamBefore: number;
  private readonly bias: Float32Array;

  constructor(
    private readonly batch: SourceBatch,
    private readonly parts: DecoderStateParts,
  ) {
    this.beamBefore = parts.kind.beam;
    this.slots = Int32Array.from({ length: batch.sentences }, (_, i) => i);
    this.bias = new Float32Array(parts.vocabulary);
  }

  async step(input: StepInput): Promise<StepRows> {
    const { workspace, kind } = this.parts;
    const { beam } = kind;
    const results = workspace.rows(this.prepare(input, beam), kind);
    const logProbs = (await results.logProbs.read()) as Float32Array;
    return {
      logProbs: this.liveRows(logProbs, this.parts.vocabulary, beam),
      attention: await this.attention(results, beam),
    };
  }

  async candidates(input: StepInput, request: CandidateRequest): Promise<RowCandidates> {
    const { rules, scores } = request;
    const { vocabulary, workspace, kind } = this.parts;
    if (rules.forced || rules.rowBans) {
      // Rules that differ from row to row are applied to whole rows on the host.
      const { logProbs, attention } = await this.step(input);
      return { ...rowCandidates(logProbs, input.rows, vocabulary, request), attention };
    }
    writeBias(this.bias, rules);
    const count = Math.min(request.count, vocabulary);
    const bias = { data: this.bias, shape: [vocabulary] };
    // At first all rows of a sentence are the same: one is enough.
    const beam = input.step === 0 ? 1 : kind.beam;
    const results = workspace.best(this.prepare(input, beam), bias, count, { ...kind, beam });
    const logProbs = this.liveRows((await results.logProbs.read()) as Float32Array, count, beam);
    const tokens = this.liveRows((await results.tokens.read()) as Int32Array, count, beam);
    // In place, in float32: what the search would add itself.
    for (let row = 0, i = 0; row < input.rows; row++) {
      for (let candidate = 0; candidate < count; candidate++, i++) logProbs[i] += scores[row];
    }
    const attention = await this.attention(results, beam);
    if (count === request.count) return { scores: logProbs, tokens, attention };
    return { ...padded(logProbs, tokens, input.rows, count, request.count), attention };
  }

  /** @param computed rows per sentence that the device computes: all, or one that stands for all. */
  private prepare(input: StepInput, computed: number) {
    const { step, rows } = input;
    const { kind, sizes, padding, width } = this.parts;
    const { beam } = kind;
    if (input.keptSentences) {
      this.slots = input.keptSentences.map((sentence) => this.slots[sentence]);
    }
    const sentences = this.slots.length;
    if (rows !== sentences * beam) {
      throw new Error(`decoder: ${rows} rows for ${sentences} sentences of ${beam}`);
    }
    // Those beyond the live ones repeat the first one's source, and nobody reads what they say.
    const places = Math.min(roundedCount(sentences, sizes), this.batch.sentences);
    const slots = new Int32Array(places).fill(this.slots[0]);
    slots.set(this.slots);
    const deviceRows = slots.length * computed;
    this.follow(input, deviceRows, computed);
    const tokens = new Int32Array(deviceRows).fill(padding);
    for (let sentence = 0; sentence < sentences; sentence++) {
      const first = sentence * beam;
      tokens.set(input.tokens.subarray(first, first + computed), sentence * computed);
    }
    const number = (value: number): HostTensor => ({ data: new Int32Array([value]), shape: [] });
    return {
      tokens: { data: tokens, shape: [deviceRows] },
      position: number(step),
      length: number(step + 1),
      // The first token stands at padding + 1, as positional embeddings count.
      number: { data: new Int32Array([padding + 1 + step]), shape: [1] },
      ancestors: { data: this.ancestors, shape: [deviceRows, this.positions] },
      slots: { data: slots, shape: [slots.length] },
      width: number(width),
    };
  }

  /**
   * Each row takes over the history of the row that it continues, and writes its own place next.
   *
   * @param deviceRows of this step, idle ones among them.
   * @param computed rows per sentence of this step.
   */
  private follow({ step, rows, reorder }: StepInput, deviceRows: number, computed: number): void {
    const { cache, kind } = this.parts;
    const { beam } = kind;
    const old = this.ancestors;
    const width = this.positions;
    cache.reserve(step + 1);
    this.positions = cache.positions;
    this.ancestors = new Int32Array(deviceRows * this.positions);
    const { beamBefore } = this;
    this.beamBefore = computed;
    for (let sentence = 0; sentence < rows / beam; sentence++) {
      for (let k = 0; k < computed; k++) {
        const row = sentence * computed + k;
        const at = row * this.positions;
        const parent = reorder ? reorder[sentence * beam + k] : sentence * beam + k;
        const from =
          (Math.trunc(parent / beam) * beamBefore + ((parent % beam) % beamBefore)) * width;
        if (step > 0) this.ancestors.set(old.subarray(from, from + step), at);
        this.ancestors[at + step] = row;
      }
    }
  }

  /** The rows of live sentences, `computed` of each; one that stands for all is repeated. */
  private liveRows<T extends Float32Array | Int32Array>(
    all: T,
    columns: number,
    computed: number,
  ): T {
    const { beam } = this.parts.kind;
    const live = all.subarray(0, this.slots.length * computed * columns) as T;
    return computed < beam ? repeated(live, columns, beam) : live;
  }

  /** (rows, S) without the columns that were added to round the width up. */
  private async attention(
    results: Record<string, { read(): Promise<unknown> }>,
    computed: number,
  ): Promise<Float32Array | undefined> {
    if (!results.attention) return undefined;
    const { width } = this.parts;
    const all = (await results.attention.read()) as Float32Array;
    const wide = this.liveRows(all, width, computed);
    if (width === this.batch.width) return wide;
    const rows = wide.length / width;
    const narrow = new Float32Array(rows * this.batch.width);
    for (let row = 0; row < rows; row++) {
      const start = row * width + width - this.batch.width;
      narrow.set(wide.subarray(start, start + this.batch.width), row * this.batch.width);
    }
    return narrow;
  }
}

/** Each row `times` over. */
function repeated<T extends Float32Array | Int32Array>(rows: T, columns: number, times: number): T {
  const length = rows.length * times;
  const empty = rows instanceof Int32Array ? new Int32Array(length) : new Float32Array(length);
  const result = empty as unknown as T;
  for (let from = 0, to = 0; from < rows.length; from += columns) {
    const row = rows.subarray(from, from + columns);
    for (let k = 0; k < times; k++, to += columns) result.set(row, to);
  }
  return result;
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

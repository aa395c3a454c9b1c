// One batch being decoded on a device. The search numbers its live sentences anew whenever some
// finish; here they keep their slots until enough are free to move the rest together: fewer plans,
// since every number of rows needs one.
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
import type { DecodingWorkspace } from "./decoding_workspace.ts";
import type { SelfAttentionCache } from "./self_attention_cache.ts";

export interface DecoderStateParts {
  readonly workspace: DecodingWorkspace;
  readonly cache: SelfAttentionCache;
  readonly vocabulary: number;
  readonly padding: number;
}

/** 1 to 8, 10, 12, 14, 16, 20, ...: four sizes to each doubling, so at most a quarter is idle. */
export function roundedCount(count: number): number {
  const step = Math.max(1, 2 ** (Math.floor(Math.log2(count)) - 2));
  return Math.ceil(count / step) * step;
}

export class DeviceDecoderState implements DecoderState {
  /** (live sentences) the slot of each; ascending. */
  private slots: Int32Array;
  /** Sentences on the device: slots, some of them idle. */
  private sentences: number;
  /** (device rows, L): for each row and position, the row of the caches where it was written. */
  private ancestors = new Int32Array(0);
  private positions = 0;
  /** Rows per sentence in the step before. */
  private beamBefore: number;
  private readonly bias: Float32Array;

  constructor(
    private readonly batch: SourceBatch,
    private readonly parts: DecoderStateParts,
  ) {
    this.sentences = batch.sentences;
    this.beamBefore = parts.workspace.shape.beam;
    this.slots = Int32Array.from({ length: batch.sentences }, (_, i) => i);
    this.bias = new Float32Array(parts.vocabulary);
  }

  async step(input: StepInput): Promise<StepRows> {
    const { beam } = this.parts.workspace.shape;
    const results = this.parts.workspace.rows(this.prepare(input, beam));
    const logProbs = (await results.logProbs.read()) as Float32Array;
    return {
      logProbs: this.liveRows(logProbs, this.parts.vocabulary, beam),
      attention: await this.attention(results, beam),
    };
  }

  async candidates(input: StepInput, request: CandidateRequest): Promise<RowCandidates> {
    const { rules, scores } = request;
    const { vocabulary, workspace } = this.parts;
    if (rules.forced || rules.rowBans) {
      // Rules that differ from row to row are applied to whole rows on the host.
      const { logProbs, attention } = await this.step(input);
      return { ...rowCandidates(logProbs, input.rows, vocabulary, request), attention };
    }
    writeBias(this.bias, rules);
    const count = Math.min(request.count, vocabulary);
    const bias = { data: this.bias, shape: [vocabulary] };
    // At first all rows of a sentence are the same: one is enough.
    const beam = input.step === 0 ? 1 : workspace.shape.beam;
    const results = workspace.best(this.prepare(input, beam), bias, count, beam);
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
    const { beam } = this.parts.workspace.shape;
    const before = this.slots;
    if (input.keptSentences) this.slots = input.keptSentences.map((sentence) => before[sentence]);
    if (rows !== this.slots.length * beam) {
      throw new Error(`decoder: ${rows} rows for ${this.slots.length} sentences of ${beam}`);
    }
    this.moveTogether();
    this.follow(input, before, computed);
    const deviceRows = this.sentences * computed;
    const tokens = new Int32Array(deviceRows).fill(this.parts.padding);
    for (const [sentence, slot] of this.slots.entries()) {
      const first = sentence * beam;
      tokens.set(input.tokens.subarray(first, first + computed), slot * computed);
    }
    const number = (value: number): HostTensor => ({ data: new Int32Array([value]), shape: [] });
    return {
      tokens: { data: tokens, shape: [deviceRows] },
      position: number(step),
      length: number(step + 1),
      // The first token stands at padding + 1, as positional embeddings count.
      number: { data: new Int32Array([this.parts.padding + 1 + step]), shape: [1] },
      ancestors: { data: this.ancestors, shape: [deviceRows, this.positions] },
    };
  }

  /** Leaves the idle slots behind once a smaller number of them would do. */
  private moveTogether(): void {
    const { slots } = this;
    const wanted = roundedCount(slots.length);
    if (wanted >= this.sentences) return;
    const kept = new Int32Array(wanted).fill(slots[0]);
    kept.set(slots);
    this.parts.workspace.keep(kept, this.sentences);
    this.sentences = wanted;
    this.slots = slots.map((_, i) => i);
  }

  /**
   * Each row takes over the history of the row that it continues, and writes its own slot next.
   *
   * @param before slots of the sentences by the numbers that `reorder` uses.
   * @param computed rows per sentence of this step.
   */
  private follow({ step, reorder }: StepInput, before: Int32Array, computed: number): void {
    const { cache, workspace } = this.parts;
    const { beam } = workspace.shape;
    const old = this.ancestors;
    const width = this.positions;
    cache.reserve(step + 1);
    this.positions = cache.positions;
    this.ancestors = new Int32Array(this.sentences * computed * this.positions);
    const { beamBefore } = this;
    this.beamBefore = computed;
    for (const [sentence, slot] of this.slots.entries()) {
      for (let k = 0; k < computed; k++) {
        const row = slot * computed + k;
        const at = row * this.positions;
        const parent = reorder ? reorder[sentence * beam + k] : sentence * beam + k;
        const [of, rank] = [before[Math.trunc(parent / beam)], (parent % beam) % beamBefore];
        const from = (of * beamBefore + rank) * width;
        if (step > 0) this.ancestors.set(old.subarray(from, from + step), at);
        this.ancestors[at + step] = row;
      }
    }
  }

  /** The rows of live sentences out of the `computed` ones of each slot; one that stands for all is repeated. */
  private liveRows<T extends Float32Array | Int32Array>(
    all: T,
    columns: number,
    computed: number,
  ): T {
    const { beam } = this.parts.workspace.shape;
    if (computed < beam) return repeated(all, this.slots, columns, beam);
    const size = beam * columns;
    for (const [sentence, slot] of this.slots.entries()) {
      if (slot > sentence) all.copyWithin(sentence * size, slot * size, (slot + 1) * size);
    }
    return all.subarray(0, this.slots.length * size) as T;
  }

  /** (rows, S) without the columns that were added to round the width up. */
  private async attention(
    results: Record<string, { read(): Promise<unknown> }>,
    computed: number,
  ): Promise<Float32Array | undefined> {
    if (!results.attention) return undefined;
    const { width } = this.parts.workspace.shape;
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

/** The row of each slot, `times` over. */
function repeated<T extends Float32Array | Int32Array>(
  rows: T,
  slots: Int32Array,
  columns: number,
  times: number,
): T {
  const length = slots.length * times * columns;
  const empty = rows instanceof Int32Array ? new Int32Array(length) : new Float32Array(length);
  const result = empty as unknown as T;
  for (const [sentence, slot] of slots.entries()) {
    const row = rows.subarray(slot * columns, (slot + 1) * columns);
    for (let k = 0; k < times; k++) result.set(row, (sentence * times + k) * columns);
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

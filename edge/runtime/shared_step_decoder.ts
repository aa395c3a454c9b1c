// The search's StepDecoder over our own kernels. Batches that are being searched at the same time share
// steps: whatever asks for a step within one turn of the event loop is computed together, so a request
// joins at the next step of those that run, and one that ends or is cancelled leaves at once.
import type {
  CandidateRequest,
  DecoderState,
  DecodeStart,
  RowCandidates,
  SourceBatch,
  StepDecoder,
  StepInput,
  StepRows,
} from "../../src/decode/step_decoder.ts";
import { rowCandidates } from "../../src/decode/token_rules.ts";
import type { QuantisedModel } from "./quantised_model.ts";
import { CandidateSelector, type Wanted, wholeRows } from "./row_results.ts";
import type { EncodedSource } from "./transformer_encoder.ts";
import { nextTurn } from "./turn.ts";

/** A step that a batch waits for. */
interface PendingStep {
  readonly state: SharedState;
  readonly input: StepInput;
  readonly want: (rows: number) => Wanted<unknown>;
  resolve(answer: Answer<unknown>): void;
  reject(reason: unknown): void;
}

/** What a batch gets of its step. */
interface Answer<Result> {
  readonly result: Result;
  readonly attention: Float32Array | undefined;
}

/** A batch whose tokens have their places. */
interface AdvancedBatch {
  readonly tokens: Int32Array;
  readonly places: Int32Array;
  /** (rows) */
  readonly sources: readonly EncodedSource[];
}

/** Counts for whoever measures. */
export interface StepCounts {
  /** Steps of the decoder, rows computed in them, and batches served by them. */
  steps: number;
  rows: number;
  batches: number;
}

export class SharedStepDecoder implements StepDecoder {
  readonly vocabulary: number;
  readonly maxPositions: number;
  readonly counts: StepCounts = { steps: 0, rows: 0, batches: 0 };
  readonly selector: CandidateSelector;
  private pending: PendingStep[] = [];
  private closed = false;
  /** Counts the turns in which a step ran. */
  private turn = 0;

  /** @param padding the dictionaries' padding. */
  constructor(
    readonly model: QuantisedModel,
    private readonly padding: number,
  ) {
    this.vocabulary = model.vocabulary;
    this.maxPositions = model.architecture.decoder.max_positions;
    this.selector = new CandidateSelector(model);
  }

  async start(batch: SourceBatch, options: DecodeStart): Promise<DecoderState> {
    if (this.closed) throw closedError();
    return new SharedState(this, batch, options, this.padding);
  }

  /** Resolves once the rows of the state's step are computed, with what `want` makes of them. */
  ask<Result>(
    state: SharedState,
    input: StepInput,
    want: (rows: number) => Wanted<Result>,
  ): Promise<Answer<Result>> {
    if (this.closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      // The answer is made by this very `want`.
      const settle = resolve as PendingStep["resolve"];
      this.pending.push({ state, input, want, resolve: settle, reject });
      // Each asks for a turn of its own: on some platforms one that is cancelled takes its timers along.
      // The first of them runs the step; the others find it done, and leave the next to the next turn.
      const { turn } = this;
      void nextTurn().then(() => {
        if (this.turn === turn) this.run();
      });
    });
  }

  /** Frees the model; steps that are waited for are rejected. */
  close(): void {
    this.closed = true;
    const waiting = this.pending.splice(0);
    for (const { reject } of waiting) reject(closedError());
    this.selector.release();
    this.model.release();
  }

  /** Computes one step of all batches that wait for one. */
  private run(): void {
    this.turn++;
    const waiting = this.pending.filter(({ state }) => !state.isClosed);
    this.pending = [];
    if (waiting.length === 0) return;
    try {
      this.compute(waiting);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }

  private compute(asked: readonly PendingStep[]): void {
    const { decoder } = this.model;
    const waiting: PendingStep[] = [];
    const batches: AdvancedBatch[] = [];
    for (const step of asked) {
      // One batch that finds no room for its tokens does not keep the others from their step.
      try {
        batches.push(step.state.advance(step.input));
        waiting.push(step);
      } catch (error) {
        step.reject(error);
      }
    }
    if (waiting.length === 0) return;
    const total = batches.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const tokens = new Int32Array(total);
    const positions = new Int32Array(total);
    const places = new Int32Array(total);
    const sources: EncodedSource[] = [];
    for (const [i, batch] of batches.entries()) {
      const at = sources.length;
      tokens.set(batch.tokens, at);
      places.set(batch.places, at);
      positions.fill(waiting[i].input.step, at, at + batch.tokens.length);
      sources.push(...batch.sources);
    }
    const attention = waiting.some(({ state }) => state.wantsAttention);
    const output = decoder.step({ tokens, positions, places, sources, attention });
    const wanted = waiting.map(({ want }, i) => want(batches[i].tokens.length));
    this.model.project(output.features, wanted);
    this.counts.steps++;
    this.counts.rows += total;
    this.counts.batches += waiting.length;
    const weights = this.model.kernels.floatsAt(
      output.attention,
      attention ? total * output.longest : 0,
    );
    let row = 0;
    for (const [i, { state, resolve }] of waiting.entries()) {
      const rows = batches[i].tokens.length;
      const own = weights.subarray(row * output.longest, (row + rows) * output.longest);
      const attention = state.wantsAttention ? state.attention(own, output.longest) : undefined;
      resolve({ result: wanted[i].result(), attention });
      row += rows;
    }
  }
}

const closedError = (): Error => new Error("the model was closed");

/** A sentence of a batch: what the decoder attends to, and where its tokens stand in the batch's width. */
interface Sentence {
  readonly source: EncodedSource;
  readonly start: number;
}

class SharedState implements DecoderState {
  readonly wantsAttention: boolean;
  isClosed = false;
  private sentences: readonly Sentence[];
  /** (rows) the place of each row's last token. */
  private places: Int32Array = new Int32Array(0);

  constructor(
    private readonly decoder: SharedStepDecoder,
    private readonly batch: SourceBatch,
    private readonly options: DecodeStart,
    padding: number,
  ) {
    this.wantsAttention = options.attention;
    const { tokens, sentences, width } = batch;
    this.sentences = Array.from({ length: sentences }, (_, i) => {
      const row = tokens.subarray(i * width, (i + 1) * width);
      const source = decoder.model.encoder.encode(row.filter((token) => token !== padding));
      return { source, start: row.findIndex((token) => token !== padding) };
    });
  }

  async step(input: StepInput): Promise<StepRows> {
    const { decoder, options } = this;
    const repeat = this.repeat(input);
    const { result, attention } = await decoder.ask(this, input, (rows) =>
      wholeRows(decoder.model, rows, options.temperature),
    );
    return { logProbs: repeated(result.logProbs, decoder.vocabulary, repeat), attention };
  }

  async candidates(input: StepInput, request: CandidateRequest): Promise<RowCandidates> {
    const { decoder, options } = this;
    if (request.rules.forced || request.rules.rowBans) {
      // Rules that differ from row to row are applied to whole rows.
      const { logProbs, attention } = await this.step(input);
      return { ...rowCandidates(logProbs, input.rows, decoder.vocabulary, request), attention };
    }
    const repeat = this.repeat(input);
    const { result, attention } = await decoder.ask(this, input, (rows) =>
      decoder.selector.select(rows, repeat, options.temperature, request),
    );
    return { ...result, attention };
  }

  /** Takes the step's tokens in: their places, after the pasts that they continue. */
  advance(input: StepInput): AdvancedBatch {
    const { past } = this.decoder.model.decoder;
    const { beam } = this.options;
    const { reorder, rows, keptSentences } = input;
    if (keptSentences) this.keep(keptSentences);
    const repeat = this.repeat(input);
    const before = this.places;
    const distinct = rows / repeat;
    const parents = Array.from({ length: distinct }, (_, row) =>
      reorder ? before[reorder[row]] : undefined,
    );
    const places = past.takeAll(parents);
    for (const place of before) past.drop(place);
    // At the first token all hypotheses of a sentence are one: they hold the same place.
    this.places = repeated(places, 1, repeat);
    for (const place of places) past.hold(place, repeat - 1);
    const tokens = input.tokens.filter((_, row) => row % repeat === 0);
    const perSentence = beam / repeat;
    const sources = Array.from(
      places,
      (_, row) => this.sentences[Math.trunc(row / perSentence)].source,
    );
    return { tokens, places, sources };
  }

  /** Attention (rows, longest) as the search counts it: (rows, S) over the padded source. */
  attention(weights: Float32Array, longest: number): Float32Array {
    const { width } = this.batch;
    const rows = longest === 0 ? 0 : weights.length / longest;
    const perSentence = rows / this.sentences.length;
    const padded = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const { source, start } = this.sentences[Math.trunc(row / perSentence)];
      const own = weights.subarray(row * longest, row * longest + source.length);
      padded.set(own, row * width + start);
    }
    return repeated(padded, width, this.options.beam / perSentence);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const place of this.places) this.decoder.model.decoder.past.drop(place);
    for (const { source } of this.sentences) source.release();
  }

  /** How many equal rows each computed row stands for: all of a sentence's at the first token. */
  private repeat({ step }: StepInput): number {
    return step === 0 ? this.options.beam : 1;
  }

  private keep(kept: Int32Array): void {
    const staying = new Set(kept);
    for (const [i, { source }] of this.sentences.entries()) if (!staying.has(i)) source.release();
    this.sentences = Array.from(kept, (i) => this.sentences[i]);
  }
}

/** Each of the rows `times` times. */
function repeated<T extends Float32Array | Int32Array>(rows: T, width: number, times: number): T {
  if (times === 1) return rows;
  const all =
    rows instanceof Float32Array
      ? new Float32Array(rows.length * times)
      : new Int32Array(rows.length * times);
  for (let row = 0; row * width < rows.length * times; row++) {
    const from = Math.trunc(row / times) * width;
    all.set(rows.subarray(from, from + width), row * width);
  }
  return all as T;
}

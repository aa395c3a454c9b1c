import { BeamHistory } from "./beam_history.ts";
import type { Hypothesis, SpecialTokens } from "./hypothesis.ts";
import { repeatedNgramEnds } from "./ngram_block.ts";
import { isDamaged, noNumber } from "./no_number.ts";
import type { Candidates, Search } from "./search/strategy.ts";
import type { GenerationInput, GeneratorOptions } from "./sequence_generator.ts";
import type { DecoderState, SourceBatch, StepInput, TokenRules } from "./step_decoder.ts";
import { applyRules } from "./token_rules.ts";

/** What a batch is searched with. */
export interface BatchSetting {
  readonly options: GeneratorOptions;
  readonly special: SpecialTokens;
  readonly beam: number;
  readonly vocabulary: number;
  readonly maxLength: number;
  readonly sourceLengths: Int32Array;
  /** (B) the caller's number for each sentence. */
  readonly ids: Int32Array;
  /** The model's name in messages. */
  readonly model: string;
  readonly prefix: GenerationInput["prefix"];
  readonly breathe: GenerationInput["breathe"];
  readonly observe: GenerationInput["observe"];
}

const IMPOSSIBLE = Number.NEGATIVE_INFINITY;

/**
 * The search of one batch from its first token to its last. B sentences begin it; those still
 * searched are "live" and numbered anew at each step; row = live sentence * beam + slot.
 */
export class BatchSearch {
  private readonly history: BeamHistory;
  private readonly finished: Hypothesis[][];
  /** (live) numbers in the batch. */
  private live: Int32Array;
  /** (rows) each row's last token, and its summed log-probability. */
  private tokens: Int32Array;
  private scores: Float32Array;
  private reorder: Int32Array | undefined;
  private keptSentences: Int32Array | undefined;
  /** (live * beam) slots whose row already ended; what they say is not listened to. */
  private ignored: Uint8Array;
  private readonly candidates: Candidates;
  /** (live * width) candidates that may not continue. */
  private readonly ended: Uint8Array;
  private readonly buffer: Int32Array;

  constructor(
    batch: SourceBatch,
    private readonly state: DecoderState,
    private readonly search: Search,
    private readonly setting: BatchSetting,
  ) {
    const { beam, options, special, maxLength } = setting;
    const first = options.startToken ?? special.eos;
    const rows = batch.sentences * beam;
    this.history = new BeamHistory(first, batch.width);
    this.finished = Array.from({ length: batch.sentences }, () => []);
    this.live = Int32Array.from({ length: batch.sentences }, (_, i) => i);
    this.tokens = new Int32Array(rows).fill(first);
    this.scores = new Float32Array(rows);
    this.ignored = new Uint8Array(rows);
    const { width } = search;
    this.candidates = {
      width,
      scores: new Float32Array(batch.sentences * width),
      tokens: new Int32Array(batch.sentences * width),
      beams: new Int32Array(batch.sentences * width),
    };
    this.ended = new Uint8Array(batch.sentences * width);
    this.buffer = new Int32Array(Math.max(maxLength, 0) + 2);
  }

  /** Hypotheses of each sentence, best first. */
  async run(): Promise<Hypothesis[][]> {
    for (let step = 0; this.live.length > 0; step++) {
      await this.setting.breathe?.();
      await this.choose(step);
      this.collectEnded(step);
      this.advance(step);
      this.report();
    }
    // Sorting is stable: of equal scores the one that ended first stays first.
    for (const list of this.finished)
      list.sort((a, b) => (a.score < b.score ? 1 : a.score > b.score ? -1 : 0));
    return this.finished;
  }

  /** The first slot of a sentence holds its best beginning. */
  private report(): void {
    const { observe, beam } = this.setting;
    if (observe === undefined) return;
    for (const [i, sentence] of this.live.entries()) {
      observe(sentence, this.tokensOf(i * beam).slice(1));
    }
  }

  /** Runs the model and fills `candidates`. */
  private async choose(step: number): Promise<void> {
    const { state, search, scores, live, candidates } = this;
    const { vocabulary } = this.setting;
    const rows = scores.length;
    const prefix = this.prefixColumn(step);
    const rules = this.rules(step, prefix);
    const input: StepInput = {
      step,
      rows,
      tokens: this.tokens,
      reorder: this.reorder,
      keptSentences: this.keptSentences,
    };
    const endsInPrefix = prefix?.includes(this.setting.special.eos) ?? false;
    // A prefix that ends a sentence makes its rows one, which only whole rows can show.
    if (state.candidates && search.chooseFromRows && !endsInPrefix) {
      const request = { count: search.width, scores, rules };
      const chosen = await state.candidates(input, request);
      this.refuseDamaged(chosen.scores, search.width);
      this.record(chosen.attention);
      search.chooseFromRows(step, live.length, chosen, candidates);
      return;
    }
    const { logProbs, attention } = await state.step(input);
    this.refuseDamaged(logProbs, vocabulary);
    this.record(attention);
    applyRules(logProbs, rows, vocabulary, rules);
    if (prefix !== undefined && endsInPrefix) this.replicateFirstSlots(prefix, logProbs);
    const tokensOf = (row: number) => this.tokensOf(row).slice();
    search.choose({ step, sentences: live.length, live, logProbs, scores, tokensOf }, candidates);
  }

  /** @throws UserError if any row of (rows, columns) log-probabilities has one that is no number. */
  private refuseDamaged(logProbs: Float32Array, columns: number): void {
    if (!isDamaged(logProbs)) return;
    const { beam, ids, model } = this.setting;
    const size = beam * columns;
    const damaged = Array.from(this.live.keys()).filter((i) =>
      isDamaged(logProbs, i * size, (i + 1) * size),
    );
    throw noNumber(
      model,
      damaged.map((i) => ids[this.live[i]]),
    );
  }

  private record(attention: Float32Array | undefined): void {
    if (this.setting.options.attention && attention) this.history.pushAttention(attention.slice());
  }

  /** (rows) prefix tokens of this step, padding where a row is free; undefined when the prefix is over. */
  private prefixColumn(step: number): Int32Array | undefined {
    const { prefix, beam, maxLength } = this.setting;
    if (prefix === undefined || step >= prefix.width || step >= maxLength) return undefined;
    const { tokens, width } = prefix;
    const column = new Int32Array(this.scores.length);
    for (let row = 0; row < column.length; row++) {
      column[row] = tokens[this.live[Math.trunc(row / beam)] * width + step];
    }
    return column;
  }

  private rules(step: number, prefix: Int32Array | undefined): TokenRules {
    const { options, special, maxLength } = this.setting;
    const banned = [special.pad];
    // fairseq heeds neither min_len nor suppression at a prefix step, not even for its free rows.
    if (prefix === undefined) {
      if (step < options.minLen) banned.push(special.eos);
      banned.push(...options.suppress);
    }
    return {
      banned,
      only: step >= maxLength ? special.eos : undefined,
      penalised: special.unk,
      penalty: options.unkpen,
      forced: prefix?.map((token) => (token === special.pad ? -1 : token)),
      rowBans: this.ngramBans(),
    };
  }

  private ngramBans(): TokenRules["rowBans"] {
    const n = this.setting.options.noRepeatNgramSize;
    const length = this.history.length + 1;
    if (n < 2 || length < n) return undefined;
    const rows = this.scores.length;
    const offsets = new Int32Array(rows + 1);
    const ends: number[] = [];
    for (let row = 0; row < rows; row++) {
      repeatedNgramEnds(this.tokensOf(row), length, n, ends);
      offsets[row + 1] = ends.length;
    }
    return { offsets, tokens: Int32Array.from(ends) };
  }

  /** A row's tokens from the start token on; valid until the next call. */
  private tokensOf(row: number): Int32Array {
    this.history.readTokens(row, this.buffer);
    return this.buffer.subarray(0, this.history.length + 1);
  }

  /** Where the prefix ends a sentence, all its slots become the first one. */
  private replicateFirstSlots(prefix: Int32Array, logProbs: Float32Array): void {
    const { beam, special, vocabulary } = this.setting;
    for (let row = 0; row < prefix.length; row++) {
      const first = row - (row % beam);
      if (prefix[row] !== special.eos || row === first) continue;
      logProbs.copyWithin(row * vocabulary, first * vocabulary, (first + 1) * vocabulary);
      this.history.overwrite(row, first);
      this.scores[row] = this.scores[first];
    }
  }

  /** Turns candidates that end among the first `beam` columns into hypotheses, and marks all that end. */
  private collectEnded(step: number): void {
    const { beam, special } = this.setting;
    const { width, scores, tokens, beams } = this.candidates;
    for (let i = 0; i < this.live.length; i++) {
      const list = this.finished[this.live[i]];
      for (let column = 0; column < width; column++) {
        const at = i * width + column;
        const ends = tokens[at] === special.eos && scores[at] !== IMPOSSIBLE;
        const ignored = column < beam && this.ignored[i * beam + column] === 1;
        this.ended[at] = ends || ignored ? 1 : 0;
        if (ends && !ignored && column < beam && list.length < beam) {
          list.push(this.hypothesis(step, i, i * beam + beams[at], scores[at]));
        }
      }
    }
  }

  private hypothesis(step: number, liveSentence: number, row: number, total: number): Hypothesis {
    const { options, special, sourceLengths } = this.setting;
    const length = step + 1;
    this.history.readTokens(row, this.buffer);
    const tokens = this.buffer.slice(1, length + 1);
    tokens[step] = special.eos;
    const positionalScores = new Float32Array(length);
    this.history.readScores(row, positionalScores);
    positionalScores[step] = total;
    for (let i = step; i > 0; i--) positionalScores[i] -= positionalScores[i - 1];
    const tooLong = options.matchSourceLen && step > sourceLengths[this.live[liveSentence]];
    const divisor = options.normalizeScores ? Math.fround(length ** options.lenpen) : 1;
    return {
      tokens,
      positionalScores,
      score: tooLong ? IMPOSSIBLE : Math.fround(total / divisor),
      attention: this.history.readAttention(row),
      complete: true,
    };
  }

  /** Drops finished sentences and fills the slots of the others with their best continuations. */
  private advance(step: number): void {
    const { beam, maxLength } = this.setting;
    const { width, scores, tokens, beams } = this.candidates;
    const kept: number[] = [];
    const columns: number[] = [];
    for (let i = 0; i < this.live.length; i++) {
      const list = this.finished[this.live[i]];
      if (list.length < beam && step < maxLength) {
        const from = columns.length;
        this.pickColumns(i, columns);
        // A sentence whose every slot is impossible can end no better than it has.
        if (columns.slice(from).some((column) => scores[i * width + column] !== IMPOSSIBLE)) {
          kept.push(i);
          continue;
        }
        columns.length = from;
      }
      if (list.length === 0) list.push(this.incomplete(step, i));
    }
    const rows = columns.length;
    const parents = new Int32Array(rows);
    const nextTokens = new Int32Array(rows);
    const nextScores = new Float32Array(rows);
    const ignored = new Uint8Array(rows);
    for (let row = 0; row < rows; row++) {
      const i = kept[Math.trunc(row / beam)];
      const at = i * width + columns[row];
      parents[row] = i * beam + beams[at];
      nextTokens[row] = tokens[at];
      nextScores[row] = scores[at];
      ignored[row] = this.ended[at];
    }
    const keptSentences = Int32Array.from(kept);
    this.search.advance?.(keptSentences, Int32Array.from(columns));
    this.history.push(parents, nextTokens, nextScores);
    this.keptSentences = kept.length === this.live.length ? undefined : keptSentences;
    this.live = keptSentences.map((i) => this.live[i]);
    this.tokens = nextTokens;
    this.scores = nextScores;
    this.reorder = parents;
    this.ignored = ignored;
  }

  /** The columns that fill a sentence's slots: those that continue in order, then, if too few, those that ended. */
  private pickColumns(i: number, columns: number[]): void {
    const { beam } = this.setting;
    const { width } = this.candidates;
    const wanted = columns.length + beam;
    for (const state of [0, 1]) {
      for (let column = 0; column < width && columns.length < wanted; column++) {
        if (this.ended[i * width + column] === state) columns.push(column);
      }
    }
  }

  /** The best a sentence has when nothing could end it. */
  private incomplete(step: number, i: number): Hypothesis {
    const { beam } = this.setting;
    let best = i * beam;
    for (let row = best + 1; row < (i + 1) * beam; row++) {
      const gain = (this.search.progress?.(row) ?? 0) - (this.search.progress?.(best) ?? 0);
      if (gain > 0 || (gain === 0 && this.scores[row] > this.scores[best])) best = row;
    }
    return { ...this.hypothesis(step, i, best, this.scores[best]), complete: false };
  }
}

// The one seam between search and model. A trainer's compiled graph, an edge session and a table in
// a test all stand behind it, so nothing here knows tensors or devices.

/** Source sentences, one row each, padded on the left unless the data set says otherwise. */
export interface SourceBatch {
  /** (B, S) token ids, row-major. */
  readonly tokens: Int32Array;
  /** B */
  readonly sentences: number;
  /** S, the padded width, end-of-sentence included. */
  readonly width: number;
}

export interface DecodeStart {
  /** K: rows per sentence. */
  readonly beam: number;
  /** Logits are divided by it before the log-softmax. */
  readonly temperature: number;
  /** Whether the caller will read the attention of each step. */
  readonly attention: boolean;
  /** Most tokens before the end of a sentence, where that is known. */
  readonly maxLength?: number;
}

/** One step's input. Rows are sentence-major: row = sentence * beam + slot. */
export interface StepInput {
  /** 0 for the first token. */
  readonly step: number;
  /** Rows now; shrinks as sentences finish. */
  readonly rows: number;
  /** (rows) the token each row ended with. */
  readonly tokens: Int32Array;
  /** (rows) the previous step's row that each row continues; undefined at step 0 (nothing cached yet). */
  readonly reorder: Int32Array | undefined;
  /**
   * Sentences of the previous step that live on, in its numbering; undefined when all do. Lets
   * a decoder keep what belongs to the source once per sentence.
   */
  readonly keptSentences: Int32Array | undefined;
}

/** Every row's distribution. */
export interface StepRows {
  /** (rows, V) natural log-probabilities. The caller may overwrite them until the next step. */
  readonly logProbs: Float32Array;
  /** (rows, S) attention over the source, if asked for and if the model has one. */
  readonly attention?: Float32Array;
}

/** What a step forbids or changes before candidates are taken; the meaning is `applyRules`. */
export interface TokenRules {
  /** Tokens that no row may take. */
  readonly banned: readonly number[];
  /** The only token that any row may take (the end of the sentence at the length limit). */
  readonly only: number | undefined;
  /** Token whose log-probability is lowered by `penalty` in every row. */
  readonly penalised: number;
  readonly penalty: number;
  /** (rows) the token that a row must take, or -1 where it is free. Forced rows heed no other ban. */
  readonly forced: Int32Array | undefined;
  /** Tokens that a free row may not take: row r's are tokens[offsets[r]] to tokens[offsets[r+1] - 1]. */
  readonly rowBans: { readonly offsets: Int32Array; readonly tokens: Int32Array } | undefined;
}

/** The best continuations of each row instead of its whole distribution. */
export interface CandidateRequest {
  /** Candidates wanted per row. */
  readonly count: number;
  /** (rows) float32 log-probability of each row so far, to be added in float32. */
  readonly scores: Float32Array;
  readonly rules: TokenRules;
}

/**
 * (rows, count), best first within a row; of equal scores the lower token comes first. A row that has a
 * NaN has NaN or Infinity among its scores here too.
 */
export interface RowCandidates {
  readonly scores: Float32Array;
  /** Meaningless where the score is -Infinity. */
  readonly tokens: Int32Array;
  readonly attention?: Float32Array;
}

/** A batch being decoded: encoder output and caches. */
export interface DecoderState {
  /** Reorders the caches, feeds the last tokens, returns every row's distribution. */
  step(input: StepInput): Promise<StepRows>;
  /**
   * The same step for a decoder that can apply the rules and choose candidates where the numbers
   * lie, so that rows * count numbers travel instead of rows * V. Must agree with `rowCandidates`.
   */
  candidates?(input: StepInput, request: CandidateRequest): Promise<RowCandidates>;
  /** Frees the batch. Nothing may be called afterwards. */
  close?(): void;
}

export interface StepDecoder {
  /** V */
  readonly vocabulary: number;
  /** Most tokens that the decoder has positions for; Infinity without such a limit. */
  readonly maxPositions: number;
  /** Encodes a batch and prepares rows = sentences * beam. */
  start(batch: SourceBatch, options: DecodeStart): Promise<DecoderState>;
}

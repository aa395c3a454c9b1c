import { UserError } from "../config/user_error.ts";
import { BatchSearch } from "./batch_search.ts";
import { defaultSpecialTokens, type Hypothesis, type SpecialTokens } from "./hypothesis.ts";
import { beamSearch } from "./search/beam.ts";
import type { SearchStrategy } from "./search/strategy.ts";
import type { SourceBatch, StepDecoder } from "./step_decoder.ts";

/** How to search. Defaults are fairseq's. */
export interface GeneratorOptions {
  /** K: hypotheses kept per sentence; at most V - 1 can be (see `SequenceGenerator.beam`). */
  readonly beam: number;
  /** The longest output has maxLenA * S + maxLenB tokens and eos, S the batch's padded source width. */
  readonly maxLenA: number;
  readonly maxLenB: number;
  /** Fewest tokens before eos. Not heeded while prefix tokens last. */
  readonly minLen: number;
  /** Divides a hypothesis' score by length^lenpen. */
  readonly normalizeScores: boolean;
  readonly lenpen: number;
  /** Subtracted from the log-probability of the unknown token; negative values favour it. */
  readonly unkpen: number;
  readonly temperature: number;
  /** Outputs may not be longer than their source, and the limit is the batch's longest. */
  readonly matchSourceLen: boolean;
  /** No n-gram of this size occurs twice; 0 and 1 forbid nothing. */
  readonly noRepeatNgramSize: number;
  /** Tokens never produced, save in a prefix. */
  readonly suppress: readonly number[];
  /** What output begins with; eos, as in fairseq, unless named. */
  readonly startToken: number | undefined;
  /** Keep each hypothesis' attention, where the model has one. */
  readonly attention: boolean;
  readonly strategy: SearchStrategy;
}

export const defaultGeneratorOptions: GeneratorOptions = {
  beam: 1,
  maxLenA: 0,
  maxLenB: 200,
  minLen: 1,
  normalizeScores: true,
  lenpen: 1,
  unkpen: 0,
  temperature: 1,
  matchSourceLen: false,
  noRepeatNgramSize: 0,
  suppress: [],
  startToken: undefined,
  attention: false,
  strategy: beamSearch,
};

/** What may come with a batch. */
export interface GenerationInput {
  /** (B, width) tokens that outputs must begin with; padding leaves a row free. */
  readonly prefix?: { readonly tokens: Int32Array; readonly width: number };
  /** (B) token sequences that outputs must contain; only for a strategy that takes them. */
  readonly constraints?: readonly (readonly Int32Array[])[];
  /** (B) the caller's numbers of the sentences, for strategies that ask; 0 to B - 1 by default. */
  readonly ids?: Int32Array;
  /** Awaited before each step: a device that computes at once would not let the caller's events in. */
  readonly breathe?: () => Promise<void>;
  /**
   * Told after each step the best beginning of each sentence that is still searched.
   *
   * @param sentence its index in the batch. @param tokens what it says so far, without a start token.
   */
  readonly observe?: (sentence: number, tokens: Int32Array) => void;
}

/**
 * Turns source batches into hypotheses, step for step as fairseq 0.12 does, with its float32 sums.
 * Differences, all where fairseq is wrong or leaves things open: blocked n-grams are looked for in
 * what was said, not in the padding after it; a prefix is never blocked; of equal scores the lower
 * token wins; and every sentence gets a hypothesis, marked incomplete if the rules left none.
 */
export class SequenceGenerator {
  readonly options: GeneratorOptions;
  readonly special: SpecialTokens;
  /** The beam searched with: options.beam, or V - 1 where the vocabulary is that small. */
  readonly beam: number;

  /** @param model its name in messages. */
  constructor(
    private readonly decoder: StepDecoder,
    options: Partial<GeneratorOptions> = {},
    special: Partial<SpecialTokens> = {},
    private readonly model = "the model",
  ) {
    this.options = { ...defaultGeneratorOptions, ...options };
    this.special = { ...defaultSpecialTokens, ...special };
    this.beam = Math.min(this.options.beam, decoder.vocabulary - 1);
    const { beam, temperature, noRepeatNgramSize } = this.options;
    requireThat(Number.isInteger(beam) && beam >= 1, "--beam", beam, "give a whole number from 1");
    requireThat(temperature > 0, "--temperature", temperature, "give a number above 0");
    const size = noRepeatNgramSize;
    requireThat(size >= 0, "--no-repeat-ngram-size", size, "give a whole number from 0");
  }

  /**
   * Hypotheses of every sentence in batch order, best first: `beam` of them, fewer where the length limit
   * came first, never none.
   *
   * @throws UserError if min_len exceeds the length limit, constraints meet a strategy without them, or
   *   the model's log-probabilities are no numbers.
   */
  async generate(batch: SourceBatch, input: GenerationInput = {}): Promise<Hypothesis[][]> {
    const { strategy, minLen, temperature, attention } = this.options;
    if (batch.sentences === 0) return [];
    const sourceLengths = this.sourceLengths(batch);
    const maxLength = this.maxLength(batch, sourceLengths);
    requireThat(
      minLen <= maxLength,
      "--min-len",
      minLen,
      `outputs of this batch have at most ${maxLength} tokens: lower --min-len or raise --max-len-a/--max-len-b`,
    );
    if (input.constraints !== undefined && !strategy.takesConstraints) {
      throw new UserError({
        place: "--constraints",
        problem: `the search strategy "${strategy.name}" takes none`,
        remedy: "search with --constraints and without sampling or diversity options",
      });
    }
    const ids = input.ids ?? Int32Array.from({ length: batch.sentences }, (_, i) => i);
    const search = strategy.begin({
      sentences: batch.sentences,
      beam: this.beam,
      vocabulary: this.decoder.vocabulary,
      pad: this.special.pad,
      eos: this.special.eos,
      maxLength,
      sourceLengths,
      ids,
      constraints: input.constraints,
    });
    const start = { beam: this.beam, temperature, attention, maxLength };
    const state = await this.decoder.start(batch, start);
    try {
      const { beam, options, special, decoder, model } = this;
      const { vocabulary } = decoder;
      const { prefix, breathe, observe } = input;
      const sentences = { maxLength, sourceLengths, ids };
      const hooks = { breathe, observe };
      const setting = { options, special, beam, vocabulary, ...sentences, model, prefix, ...hooks };
      return await new BatchSearch(batch, state, search, setting).run();
    } finally {
      state.close?.();
    }
  }

  /** Source tokens per sentence, without padding and end of sentence. */
  private sourceLengths(batch: SourceBatch): Int32Array {
    const { tokens, sentences, width } = batch;
    const lengths = new Int32Array(sentences);
    for (let i = 0; i < tokens.length; i++) {
      const counts = tokens[i] !== this.special.pad && tokens[i] !== this.special.eos;
      if (counts) lengths[Math.trunc(i / width)]++;
    }
    return lengths;
  }

  /** Most tokens before eos. */
  private maxLength(batch: SourceBatch, sourceLengths: Int32Array): number {
    const { matchSourceLen, maxLenA, maxLenB } = this.options;
    if (matchSourceLen) return sourceLengths.reduce((a, b) => Math.max(a, b));
    const wanted = Math.trunc(maxLenA * batch.width + maxLenB);
    return Math.min(wanted, this.decoder.maxPositions - 1);
  }
}

function requireThat(holds: boolean, place: string, value: number, remedy: string): void {
  if (!holds) throw new UserError({ place, problem: `${value} will not do`, remedy });
}

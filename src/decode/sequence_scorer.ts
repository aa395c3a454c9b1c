import { logMeanExp } from "./ensemble.ts";
import { defaultSpecialTokens, type Hypothesis, type SpecialTokens } from "./hypothesis.ts";
import { isDamaged, noNumber } from "./no_number.ts";
import type { SourceBatch } from "./step_decoder.ts";

/** Sentence pairs to score: sources, and targets padded on the right. */
export interface ScoringBatch {
  readonly source: SourceBatch;
  /** (B, T) target tokens; the model predicts each from those before it. */
  readonly target: Int32Array;
  /** T */
  readonly targetWidth: number;
  /** (B) first target position that counts, 0 unless a language model has context before it. */
  readonly starts?: Int32Array;
  /** (B) the caller's numbers of the sentences, for messages; 0 to B - 1 by default. */
  readonly ids?: Int32Array;
}

/** What one model says about given targets. */
export interface TargetScores {
  /** (B, T) natural log-probability of each target token; anything at padding. */
  readonly logProbs: Float32Array;
  /** (B, T, S) */
  readonly attention?: Float32Array;
}

/** A model that scores given targets in one pass. */
export interface TargetScorer {
  score(batch: ScoringBatch): Promise<TargetScores>;
}

/**
 * Scores given targets as hypotheses, in batch order: `--score-reference`, and perplexity. The score is the
 * mean of the tokens' log-probabilities; of several models the probabilities and attentions are averaged.
 */
export class SequenceScorer {
  private readonly special: SpecialTokens;

  /** @param name the models' name in messages. */
  constructor(
    private readonly models: readonly TargetScorer[],
    special: Partial<SpecialTokens> = {},
    private readonly name = "the model",
  ) {
    this.special = { ...defaultSpecialTokens, ...special };
  }

  /** @throws UserError if the models' log-probabilities are no numbers. */
  async score(batch: ScoringBatch): Promise<Hypothesis[]> {
    const results: TargetScores[] = [];
    for (const model of this.models) results.push(await model.score(batch));
    const logProbs = new Float32Array(batch.target.length);
    if (results.length === 1) logProbs.set(results[0].logProbs);
    else
      logMeanExp(
        results.map((result) => result.logProbs),
        logProbs,
      );
    const attention = meanOf(
      results.flatMap((result) => result.attention ?? []),
      results.length,
    );
    const hypotheses: Hypothesis[] = [];
    for (let i = 0; i < batch.source.sentences; i++) {
      hypotheses.push(this.hypothesis(batch, i, logProbs, attention));
    }
    const damaged = Array.from(hypotheses.keys()).filter((i) =>
      isDamaged(hypotheses[i].positionalScores),
    );
    if (damaged.length === 0) return hypotheses;
    throw noNumber(
      this.name,
      damaged.map((i) => batch.ids?.[i] ?? i),
    );
  }

  private hypothesis(
    { source, target, targetWidth, starts }: ScoringBatch,
    sentence: number,
    logProbs: Float32Array,
    attention: Float32Array | undefined,
  ): Hypothesis {
    const from = sentence * targetWidth + (starts?.[sentence] ?? 0);
    const to = (sentence + 1) * targetWidth;
    const tokens = target.slice(from, to).filter((token) => token !== this.special.pad);
    const positionalScores = logProbs.slice(from, from + tokens.length);
    const sum = positionalScores.reduce((total, score) => total + score, 0);
    return {
      tokens,
      positionalScores,
      score: Math.fround(Math.fround(sum) / tokens.length),
      attention: attention?.slice(from * source.width, (from + tokens.length) * source.width),
      complete: true,
    };
  }
}

function meanOf(arrays: readonly Float32Array[], count: number): Float32Array | undefined {
  if (arrays.length === 0) return undefined;
  return arrays[0].map((_, i) => arrays.reduce((sum, array) => sum + array[i], 0) / count);
}

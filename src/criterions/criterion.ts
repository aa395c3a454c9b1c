// What a criterion is: a loss as a sum, what it is a sum over, and how sums become logged numbers.
import type { EncoderDecoderModel } from "../models/model.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A batch as a compiled step sees it. */
export interface Sample {
  /** i32 (B, S). */
  readonly srcTokens: Tensor;
  /** i32 (B, T), the target shifted right. */
  readonly prevOutputTokens: Tensor;
  /** i32 (B, T). */
  readonly target: Tensor;
  /**
   * Where much of the target is padding: which positions b T + t have to be computed, i32 (N); where
   * each lies there, i32 (B, T), -1 for the others; where each sentence begins there, i32 (B + 1). A
   * criterion may compute all.
   */
  readonly targetRows?: Tensor;
  readonly targetPlaces?: Tensor;
  readonly targetStarts?: Tensor;
}

/** Counts of a batch, known before it runs. */
export interface SampleCounts {
  /** Target tokens that are not padding. */
  readonly ntokens: number;
  readonly nsentences: number;
}

export interface CriterionContext {
  readonly padding: number;
  /** Divide gradients by sentences in place of tokens (--sentence-avg). */
  readonly sentenceAvg: boolean;
}

/** Sums over a batch, as scalars; `loss` is what is minimised. */
export type CriterionOutput = { loss: Tensor } & Record<string, Tensor>;

export interface Criterion {
  /** Sums over the batch, in natural logarithms; they add up over batches and go to `metrics`. */
  forward(model: EncoderDecoderModel, sample: Sample): CriterionOutput;

  /** What the gradient of the summed loss is divided by. */
  sampleSize(counts: SampleCounts): number;

  /** Logged numbers from sums over any number of batches; losses in base 2, as fairseq logs them. */
  metrics(sums: CriterionSums): Record<string, number>;
}

/** What `forward` returned plus counts, added up. */
export interface CriterionSums extends SampleCounts {
  readonly sampleSize: number;
  readonly losses: Readonly<Record<string, number>>;
}

// Where the graphs run: what the StepDecoder over ONNX Runtime needs of it.
import type { StepInput, TokenRules } from "../../src/decode/step_decoder.ts";
import type { Architecture } from "../runtime/manifest.ts";
import type { TranslatorEngine } from "../runtime/text_translator.ts";

/** A bundle's graphs and weights, loaded. */
export interface OnnxBackend {
  /** What computes, for people. */
  readonly name: string;
  readonly architecture: Architecture;
  /** V of the target. */
  readonly vocabulary: number;
  readonly memory: TranslatorEngine["memory"];

  /**
   * Encodes sentences. What it returns is the caller's to release.
   *
   * @param sources without padding. @param beam rows of each.
   */
  begin(sources: readonly Int32Array[], beam: number): Promise<OnnxBatch>;

  release(): void;
}

/** The tensors of a batch that is being decoded. */
export interface OnnxBatch {
  /** One token more of each row. */
  step(input: StepInput, wanted: WantedOutputs): Promise<StepOutputs>;
  release(): void;
}

/** Outputs of the decoder's graph that leave it. */
export type OutputName = "log_probs" | "scores" | "candidates" | "attention";

/** What a step shall leave. */
export interface WantedOutputs {
  readonly outputs: readonly OutputName[];
  readonly temperature: number;
  /** Candidates for each row, and the rules for all rows by which they are chosen. */
  readonly count: number;
  readonly rules: TokenRules | undefined;
}

/** Copies of the outputs that were wanted; the others are empty. */
export interface StepOutputs {
  /** (R, V) */
  readonly logProbs: Float32Array;
  /** (R, count) */
  readonly scores: Float32Array;
  /** (R, count) */
  readonly candidates: Int32Array;
  /** (B, K, L), L the longest source of the batch. */
  readonly attention: Float32Array;
}

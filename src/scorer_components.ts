// The scorers of src/score as components, so that --scoring chooses among them.
import { z } from "zod";
import type { Buildable } from "./components.ts";
import { sacrebleuScoring, werScoring } from "./config/schemas/scoring.ts";
import type { Scorer } from "./score/scorer.ts";
import { createScorer } from "./score/scorers.ts";
import type { TokenBleuSymbols } from "./score/token_bleu.ts";

/** What a scorer may need to know of the data. */
export interface ScorerContext {
  /** Ids of special symbols, where tokens are scored rather than text. */
  readonly symbols?: TokenBleuSymbols;
}

/** A component that builds a fresh scorer. */
export interface ScorerComponent<C extends z.ZodObject = z.ZodObject>
  extends Buildable<C, ScorerContext, Scorer> {}

const noSettings = z.strictObject({});

/** fairseq's BLEU, over tokens. */
export const bleu: ScorerComponent = {
  name: "bleu",
  config: noSettings,
  build: (_, { symbols }) => createScorer("bleu", { symbols }),
};

/** sacreBLEU's BLEU, over text. */
export const sacrebleu: ScorerComponent<typeof sacrebleuScoring> = {
  name: "sacrebleu",
  config: sacrebleuScoring,
  build: (config) => createScorer("sacrebleu", config),
};

/** sacreBLEU's chrF2, over text. */
export const chrf: ScorerComponent = {
  name: "chrf",
  config: noSettings,
  build: () => createScorer("chrf"),
};

/** Word error rate, over text. */
export const wer: ScorerComponent<typeof werScoring> = {
  name: "wer",
  config: werScoring,
  build: (config) => createScorer("wer", config),
};

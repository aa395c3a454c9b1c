// The scorers of src/score as components, so that --scoring chooses among them.
import { z } from "zod";
import type { Buildable } from "./components.ts";
import type { Chosen } from "./config/choice.ts";
import { flagOf } from "./config/field.ts";
import { givenValues, type Setting } from "./config/resolve.ts";
import { type SacrebleuFlags, sacrebleuScoring, werScoring } from "./config/schemas/scoring.ts";
import { UserError } from "./config/user_error.ts";
import type { Scorer } from "./score/scorer.ts";
import { createScorer } from "./score/scorers.ts";
import type { TokenBleuSymbols } from "./score/token_bleu.ts";

/** What a scorer may need to know of the data. */
export interface ScorerContext {
  /** Ids of special symbols, where tokens are scored rather than text. */
  readonly symbols?: TokenBleuSymbols;
  /** Scorers of text compare it in small letters, and say so in their signatures. */
  readonly ignoreCase?: boolean;
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
  build: (config, { ignoreCase = false }) =>
    createScorer("sacrebleu", {
      ...config,
      sacrebleu_lowercase: config.sacrebleu_lowercase || ignoreCase,
    }),
};

/** sacreBLEU's chrF2, over text. */
export const chrf: ScorerComponent = {
  name: "chrf",
  config: noSettings,
  build: (_, { ignoreCase: chrf_lowercase }) => createScorer("chrf", { chrf_lowercase }),
};

/** Word error rate, over text. */
export const wer: ScorerComponent<typeof werScoring> = {
  name: "wer",
  config: werScoring,
  build: (config, { ignoreCase = false }) =>
    createScorer("wer", { ...config, wer_lowercase: config.wer_lowercase || ignoreCase }),
};

/**
 * What --scoring and --sacrebleu choose together.
 *
 * @param settings of sections named scoring and sacrebleu.
 * @throws UserError if they contradict each other, or sacreBLEU's settings have no sacreBLEU.
 */
export function chosenScorer(
  scoring: Chosen<ScorerComponent>,
  { sacrebleu: asked, ...config }: SacrebleuFlags,
  settings: readonly Setting[],
): Chosen<ScorerComponent> {
  if (scoring.name === "sacrebleu") return scoring;
  if (asked && !("scoring" in givenValues(settings, "scoring"))) {
    return { component: sacrebleu as ScorerComponent, name: sacrebleu.name, config };
  }
  if (asked) {
    throw new UserError({
      place: `--sacrebleu, --scoring ${scoring.name}`,
      problem: "are different scores",
      remedy: "give one of them",
    });
  }
  const idle = Object.keys(givenValues(settings, "sacrebleu")).find((key) => key !== "sacrebleu");
  if (idle === undefined) return scoring;
  throw new UserError({
    place: flagOf(idle),
    problem: "says how sacreBLEU scores, but it does not",
    remedy: "add --sacrebleu",
  });
}

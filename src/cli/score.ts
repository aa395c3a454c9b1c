import { readFileSync } from "node:fs";
import { flagOf } from "../config/field.ts";
import { givenValues, type Setting } from "../config/resolve.ts";
import { score as config, type ScoreConfig } from "../config/schemas/score.ts";
import { sacrebleuFlags } from "../config/schemas/scoring.ts";
import { UserError } from "../config/user_error.ts";
import { readTextLines, splitLines } from "../data/text_lines.ts";
import { decodeUtf8 } from "../data/utf8.ts";
import { chooseScorer } from "../registries.ts";
import { scoreLines } from "../score/score_lines.ts";
import type { Scorer } from "../score/scorer.ts";
import { chosenScorer } from "../scorer_components.ts";
import { command } from "./command.ts";

export const score = command({
  name: "score",
  summary: "score a system's output against references",
  config: { score: config, scoring: chooseScorer, sacrebleu: sacrebleuFlags },
  run(sections, terminal, { settings }) {
    const { order, ignore_case: ignoreCase, sentence_bleu: sentenceBleu } = sections.score;
    const scoring = chosenScorer(sections.scoring, sections.sacrebleu, settings);
    const texts = readTexts(sections.score);
    if (scoring.component.name === "bleu") {
      const lines = scoreLines(texts.hypotheses, texts.references, {
        order,
        ignoreCase,
        sentenceBleu,
      });
      for (const line of lines) terminal.line(line);
      return;
    }
    refuseWaysOfBleu(scoring.component.name, settings);
    const scorer = scoring.component.build(scoring.config, { ignoreCase });
    for (const line of scoresOf(scorer, texts)) terminal.line(line);
    const warning = scorer.warning?.();
    if (warning !== undefined) terminal.log(warning);
  },
});

interface Texts {
  readonly hypotheses: readonly string[];
  /** One for each. */
  readonly references: readonly string[];
}

function readTexts({ sys, ref }: ScoreConfig): Texts {
  const hypotheses =
    sys === "-"
      ? splitLines(decodeUtf8(readFileSync(0), "standard input"))
      : readTextLines(sys, "give --sys a text file, or - for standard input");
  const references = readTextLines(ref, "give --ref a text file");
  if (hypotheses.length === references.length) return { hypotheses, references };
  throw new UserError({
    place: `${sys === "-" ? "standard input" : sys}, ${ref}`,
    problem: `have ${hypotheses.length} and ${references.length} lines`,
    remedy: "give two files whose lines belong together one by one",
  });
}

/** Flags that only fairseq's BLEU heeds. */
function refuseWaysOfBleu(scorer: string, settings: readonly Setting[]): void {
  const given = givenValues(settings, "score");
  const key = ["order", "sentence_bleu"].find((each) => each in given);
  if (key === undefined) return;
  throw new UserError({
    place: flagOf(key),
    problem: `is a way of --scoring bleu only, and ${scorer} was asked for`,
    remedy: "leave out one of the two flags",
  });
}

/** The score and, where it has one, the signature that says how it was made. */
function scoresOf(scorer: Scorer, { hypotheses, references }: Texts): string[] {
  for (const [i, text] of references.entries()) scorer.add({ text }, { text: hypotheses[i] });
  const signature = scorer.signature?.();
  return [scorer.result(), ...(signature === undefined ? [] : [signature])];
}

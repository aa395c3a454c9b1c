import { readFileSync } from "node:fs";
import type { ScoreConfig } from "../config/schemas/score.ts";
import { score as config } from "../config/schemas/score.ts";
import { UserError } from "../config/user_error.ts";
import { readTextLines, splitLines } from "../data/text_lines.ts";
import { decodeUtf8 } from "../data/utf8.ts";
import { chooseScorer } from "../registries.ts";
import { scoreLines } from "../score/score_lines.ts";
import type { Scorer } from "../score/scorer.ts";
import { command } from "./command.ts";

export const score = command({
  name: "score",
  summary: "score a system's output against references",
  config: { score: config, scoring: chooseScorer },
  run({ score: settings, scoring }, terminal) {
    const hypotheses = readHypotheses(settings.sys);
    const references = readTextLines(settings.ref);
    if (hypotheses.length !== references.length) {
      throw new UserError({
        place: `${settings.sys === "-" ? "standard input" : settings.sys}, ${settings.ref}`,
        problem: `have ${hypotheses.length} and ${references.length} lines`,
        remedy: "give two files whose lines belong together one by one",
      });
    }
    const lines =
      scoring.component.name === "bleu"
        ? scoreLines(hypotheses, references, optionsOf(settings))
        : scoresOf(scoring.component.build(scoring.config, {}), hypotheses, references, settings);
    for (const line of lines) terminal.line(line);
  },
});

function readHypotheses(path: string): string[] {
  if (path !== "-") return readTextLines(path);
  return splitLines(decodeUtf8(readFileSync(0), "standard input"));
}

function optionsOf({ order, ignore_case, sacrebleu, sentence_bleu }: ScoreConfig) {
  return { order, ignoreCase: ignore_case, sacrebleu, sentenceBleu: sentence_bleu };
}

/** The score and, where it has one, the signature that says how it was made. */
function scoresOf(
  scorer: Scorer,
  hypotheses: readonly string[],
  references: readonly string[],
  { ignore_case, sentence_bleu }: ScoreConfig,
): string[] {
  if (sentence_bleu) {
    throw new UserError({
      place: "--sentence-bleu",
      problem: "is a way of --scoring bleu only",
      remedy: "leave out one of the two flags",
    });
  }
  const prepare = (line: string) => ({ text: ignore_case ? line.toLowerCase() : line });
  for (const [i, reference] of references.entries()) {
    scorer.add(prepare(reference), prepare(hypotheses[i] ?? ""));
  }
  const signature = scorer.signature?.();
  return [scorer.result(), ...(signature === undefined ? [] : [signature])];
}

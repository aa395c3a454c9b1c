// fairseq's line protocol, tab separated: S- source, T- reference, H- hypothesis, D- the same in plain
// text, P- score of each token, A- alignment, I- steps; `interactive` adds W- seconds and C- constraints. Scores
// are in base 2. Scripts all over the field cut these lines apart, so they are kept to the character.
import { formatFixed, formatFloat } from "../score/python_format.ts";
import type { AlignedPair } from "./alignment.ts";
import type { Hypothesis } from "./hypothesis.ts";

/** Nats to bits is a float32 division in fairseq, which shows in the last digits. */
const LN2 = Math.fround(Math.LN2);

const toBits = (nats: number): number => Math.fround(nats / LN2);

export const sourceLine = (id: number, text: string): string => `S-${id}\t${text}`;

export const targetLine = (id: number, text: string): string => `T-${id}\t${text}`;

export const secondsLine = (id: number, seconds: number): string =>
  `W-${id}\t${formatFixed(seconds, 3)}\tseconds`;

export const constraintLine = (id: number, text: string): string => `C-${id}\t${text}`;

/** H-: the words as the model said them, after word pieces are joined if that was asked for. */
export const hypothesisLine = (id: number, score: number, text: string): string =>
  `H-${id}\t${formatFloat(toBits(score))}\t${text}`;

/** D-: the same with the tokeniser undone. */
export const detokenizedLine = (id: number, score: number, text: string): string =>
  `D-${id}\t${formatFloat(toBits(score))}\t${text}`;

export function positionalLine(id: number, positionalScores: Float32Array): string {
  const bits = Array.from(positionalScores, (score) => formatFixed(toBits(score), 4));
  return `P-${id}\t${bits.join(" ")}`;
}

export const hardAlignmentLine = (id: number, pairs: readonly AlignedPair[]): string =>
  `A-${id}\t${pairs.map(([source, target]) => `${source}-${target}`).join(" ")}`;

/** @param rows for every target token its attention over the source, formatted. */
export const softAlignmentLine = (id: number, rows: readonly (readonly string[])[]): string =>
  `A-${id}\t${rows.map((row) => row.join(",")).join(" ")}`;

/** How many steps the search made for a hypothesis: one per token, eos too. */
export const stepsLine = (id: number, steps: number): string => `I-${id}\t${steps}`;

/** What is printed of a hypothesis. */
export interface HypothesisText {
  readonly text: string;
  readonly detokenized: string;
  readonly alignment?:
    | { readonly kind: "hard"; readonly pairs: readonly AlignedPair[] }
    | { readonly kind: "soft"; readonly rows: readonly (readonly string[])[] };
}

/** H-, D-, P- and, if there is one, A-. */
export function hypothesisLines(
  id: number,
  { score, positionalScores }: Pick<Hypothesis, "score" | "positionalScores">,
  { text, detokenized, alignment }: HypothesisText,
): string[] {
  const lines = [
    hypothesisLine(id, score, text),
    detokenizedLine(id, score, detokenized),
    positionalLine(id, positionalScores),
  ];
  if (alignment?.kind === "hard") lines.push(hardAlignmentLine(id, alignment.pairs));
  if (alignment?.kind === "soft") lines.push(softAlignmentLine(id, alignment.rows));
  return lines;
}

/** What a run generated, and how fast. */
export interface GenerationTotals {
  readonly sentences: number;
  /** Output tokens, eos included. */
  readonly tokens: number;
  readonly seconds: number;
}

/** fairseq's closing line. */
export function totalsLine({ sentences, tokens, seconds }: GenerationTotals): string {
  const count = sentences.toLocaleString("en-US");
  const rate = (amount: number) => formatFixed(seconds > 0 ? amount / seconds : 0, 2);
  return (
    `Translated ${count} sentences (${tokens.toLocaleString("en-US")} tokens) in ` +
    `${formatFixed(seconds, 1)}s (${rate(sentences)} sentences/s, ${rate(tokens)} tokens/s)`
  );
}

/** "Generate test with beam=5: BLEU4 = ..." */
export const scoreLine = (subset: string, beam: number, result: string): string =>
  `Generate ${subset} with beam=${beam}: ${result}`;

import type { Hypothesis } from "../decode/hypothesis.ts";
import { type HypothesisText, hypothesisLines, stepsLine } from "../decode/output_lines.ts";

/** All lines of a hypothesis: H-, D-, P-, A- and, if asked for, I-. */
export function hypothesisBlock(
  id: number,
  hypothesis: Hypothesis,
  text: HypothesisText,
  printStep: boolean,
): string[] {
  const lines = hypothesisLines(id, hypothesis, text);
  return printStep ? [...lines, stepsLine(id, hypothesis.tokens.length)] : lines;
}

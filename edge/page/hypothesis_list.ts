import type { HypothesisResult, TokenScore } from "../runtime/translator.ts";
import { find, make } from "./elements.ts";
import { pieceLabel } from "./piece_label.ts";

/** Lists hypotheses, best first, and tells which one is chosen: at first the best. */
export function showHypotheses(
  hypotheses: readonly HypothesisResult[],
  chosen: (hypothesis: HypothesisResult) => void,
): void {
  const items = hypotheses.map((hypothesis, i) => {
    const radio = make("input", { type: "radio", name: "hypothesis", value: i });
    radio.checked = i === 0;
    radio.addEventListener("change", () => chosen(hypothesis));
    const score = make("span", { class: "score" }, hypothesis.score.toFixed(4));
    const pieces = make("span", { class: "pieces" }, ...hypothesis.tokens.flatMap(piece));
    return make("li", {}, make("label", {}, radio, score, pieces));
  });
  find("hypotheses", HTMLOListElement).replaceChildren(...items);
  chosen(hypotheses[0]);
}

/** A piece underlined by its probability; a space behind it, so that lines can break. */
function piece({ token, score }: TokenScore): [HTMLSpanElement, string] {
  const probability = Math.exp(score);
  const title = `probability ${probability.toFixed(3)}, logarithm ${score.toFixed(4)}`;
  return [make("span", { class: kindOf(probability), title }, pieceLabel(token)), " "];
}

/** A class of style.css; each is underlined in another way too, for those who see no colours. */
function kindOf(probability: number): string {
  if (probability >= 0.9) return "sure";
  if (probability >= 0.5) return "likely";
  return probability >= 0.2 ? "unsure" : "doubtful";
}

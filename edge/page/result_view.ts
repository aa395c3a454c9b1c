import type { HypothesisResult, TextResult } from "../runtime/translator.ts";
import { attentionPicture } from "./attention_picture.ts";
import { find, make } from "./elements.ts";
import { showHypotheses } from "./hypothesis_list.ts";
import { pieceLabel } from "./piece_label.ts";

export interface ResultView {
  /** Grey, and not read out, until it is final. */
  showPartial(text: string): void;
  /** @param milliseconds from the request to its last word. */
  show(result: TextResult, milliseconds: number): void;
  clear(): void;
}

/** The translation with its details, below each other. */
export function resultView(): ResultView {
  const translation = find("translation", HTMLOutputElement);
  const timing = find("timing", HTMLParagraphElement);
  const details = find("details", HTMLElement);
  const sentence = find("sentence", HTMLSelectElement);
  let shown: TextResult | undefined;

  const showSentence = (): void => {
    const chosen = shown?.sentences[sentence.selectedIndex];
    if (chosen) showHypotheses(chosen.hypotheses, showAttention);
  };
  sentence.addEventListener("change", showSentence);

  /** A partial text that the next frame will show: more than that nobody could see. */
  let awaited: string | undefined;
  const showAwaited = (): void => {
    if (awaited !== undefined) say(awaited, false);
  };

  const say = (text: string, isFinal: boolean): void => {
    awaited = undefined;
    translation.setAttribute("aria-busy", String(!isFinal));
    translation.textContent = text;
  };

  return {
    showPartial(text) {
      if (awaited === undefined) requestAnimationFrame(showAwaited);
      awaited = text;
    },
    show(result, milliseconds) {
      shown = result;
      say(result.text, true);
      timing.textContent = describeTiming(result, milliseconds);
      const options = result.sentences.map(({ source }, i) =>
        make("option", {}, `${i + 1}: ${source}`),
      );
      sentence.replaceChildren(...options);
      find("sentence-choice", HTMLLabelElement).hidden = options.length < 2;
      details.hidden = options.length === 0;
      showSentence();
    },
    clear() {
      shown = undefined;
      say("", true);
      timing.textContent = "\u00a0"; // its line stays, so that nothing jumps
      details.hidden = true;
    },
  };
}

function describeTiming({ sentences }: TextResult, milliseconds: number): string {
  const tokens = sentences.reduce((sum, { hypotheses }) => sum + hypotheses[0].tokens.length, 0);
  const rate = (tokens / milliseconds) * 1000;
  return `${milliseconds.toFixed(0)} ms, ${tokens} tokens, ${rate.toFixed(0)} tokens/s`;
}

function showAttention({ tokens, alignment }: HypothesisResult): void {
  find("attention", HTMLElement).hidden = alignment === undefined;
  if (alignment === undefined) return;
  const source = alignment.source.map(pieceLabel);
  const output = tokens.map(({ token }) => pieceLabel(token));
  const picture = attentionPicture(source, output, alignment.weights);
  find("picture", HTMLDivElement).replaceChildren(picture);
}

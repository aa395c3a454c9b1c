// A text of many sentences as far as it is known, told at most once in a turn of the event loop: joining it
// for every sentence at every step would take quadratic time.
import { joinSentences } from "./sentences.ts";
import { oncePerTurn } from "./turn.ts";

export class PartialText {
  private readonly begun: string[];
  private readonly pass: () => void;
  private isOver = false;

  /** @param spaces the white space around the sentences. @param tell hears the text; undefined for nobody. */
  constructor(
    spaces: readonly string[],
    private readonly tell: ((text: string) => void) | undefined,
  ) {
    this.begun = spaces.slice(1).map(() => "");
    this.pass = oncePerTurn(() => {
      if (!this.isOver) tell?.(joinSentences(this.begun, spaces));
    });
  }

  /** What sentence `i` says so far. */
  say(i: number, text: string): void {
    this.begun[i] = text;
    this.pass();
  }

  /** The whole text, at last. */
  end(text: string): void {
    this.isOver = true;
    this.tell?.(text);
  }
}

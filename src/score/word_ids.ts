import { tokenizeLine } from "../data/white_space.ts";

/**
 * Numbers words as an empty fairseq dictionary does that grows with each line: first come first, after the
 * four symbols that every dictionary has. Written out in a text, those four keep their meaning.
 */
export class WordIds {
  private readonly ids = new Map([
    ["<s>", 0],
    ["<pad>", 1],
    ["</s>", 2],
    ["<unk>", 3],
  ]);

  /** Ids of a line's words, with eos (2) behind them. */
  encode(line: string): number[] {
    const ids = tokenizeLine(line).map((word) => {
      const known = this.ids.get(word);
      if (known !== undefined) return known;
      const id = this.ids.size;
      this.ids.set(word, id);
      return id;
    });
    return [...ids, 2];
  }
}

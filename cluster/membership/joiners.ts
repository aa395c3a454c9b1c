// Newcomers that may be taken in with the next view.
import type { Standing } from "./candidacy.ts";
import type { MessageOf } from "./messages.ts";
import { ranksOf, type View } from "./view.ts";

export class Joiners {
  /** Those that wait, by rank. */
  readonly waiting = new Map<number, Standing>();

  /**
   * One asks to come in. Taken in before it reaches all members, it would have them stop until one misses
   * another: it has to ask again.
   *
   * @returns whether it may come.
   */
  admit(rank: number, { self: member, position, reaches }: MessageOf<"join">, view: View): boolean {
    const mayCome = ranksOf(view.members).every((each) => each === rank || reaches.includes(each));
    if (mayCome) this.waiting.set(rank, { member, position });
    else this.waiting.delete(rank);
    return mayCome;
  }

  /** One is gone. */
  remove(rank: number): void {
    this.waiting.delete(rank);
  }

  /** A view begins: its members wait no longer. */
  settle({ members }: View): void {
    for (const { rank } of members) this.waiting.delete(rank);
  }
}

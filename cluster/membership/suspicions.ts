// Which members of a view are held to be dead: those that this one has lost, and, where two others have lost
// each other but not this one, one of the two.

import type { MessageOf } from "./messages.ts";
import { isSame, type Member, type View } from "./view.ts";

/** How a member left. */
type Departure = { readonly member: Member } & Pick<MessageOf<"leave">, "generation" | "voted">;

export class Suspicions {
  private readonly accused = new Set<number>();
  /** Left in good order, with no vote that counts: they will never decide otherwise. */
  readonly gone = new Set<number>();
  /** By rank, the last that left in good order: it is in no later view but by mistake. */
  readonly left = new Map<number, Departure>();
  /** By rank, whom each misses. */
  private readonly complaints = new Map<number, ReadonlySet<number>>();

  get missed(): number[] {
    return [...this.accused];
  }

  /** @returns false if that was known. */
  accuse(rank: number): boolean {
    if (this.accused.has(rank)) return false;
    this.accused.add(rank);
    return true;
  }

  /** A member that was missed is there. @returns whether it was missed. */
  acquit(rank: number): boolean {
    return this.accused.delete(rank);
  }

  /**
   * A member says whom it misses now, and who has left.
   *
   * @returns whether that may be news: this one may trust others than before.
   */
  hear(rank: number, missed: readonly number[], gone: readonly number[]): boolean {
    const newlyGone = gone.filter((each) => !this.gone.has(each));
    for (const each of newlyGone) this.gone.add(each);
    const known = this.complaints.get(rank);
    // Whom this one misses, too, is left out anyway.
    const others = new Set(missed.filter((each) => !this.accused.has(each)));
    if (others.size === 0) this.complaints.delete(rank);
    else this.complaints.set(rank, others);
    const isSame =
      others.size === (known?.size ?? 0) && [...others].every((each) => known?.has(each));
    return newlyGone.length > 0 || !isSame;
  }

  /** A member cannot be heard any more. */
  silence(rank: number): void {
    this.complaints.delete(rank);
  }

  /**
   * Counts out members of a view who left and have not voted about what follows it: they never will.
   *
   * @returns all of its members who left.
   */
  discount({ members, generation }: View): number[] {
    const departed = [...this.left.values()].filter(({ member: gone }) =>
      members.some((each) => isSame(each, gone)),
    );
    for (const { member, voted, generation: last } of departed) {
      if (voted < generation && last <= generation) this.gone.add(member.rank);
    }
    return departed.map(({ member }) => member.rank);
  }

  /** A new view begins. */
  clear(): void {
    this.accused.clear();
    this.gone.clear();
    this.complaints.clear();
  }

  /**
   * Those of the members in reach that may go on together: any two of them have each other. Whoever
   * misses most, or is missed by most, is left out first; of two that are alike, who does not complain,
   * for it may be dead; else the higher rank.
   */
  trusted(inReach: readonly number[]): number[] {
    const left = new Set(inReach.filter((rank) => !this.accused.has(rank)));
    for (;;) {
      const [worst] = this.quarrels(left).sort(byGuilt);
      if (!worst) return [...left];
      left.delete(worst.rank);
    }
  }

  /** Of each that complains of another in reach, or is complained of: how much. */
  private quarrels(left: ReadonlySet<number>): Quarrel[] {
    const byRank = new Map<number, { readonly others: Set<number>; balance: number }>();
    const add = (rank: number, other: number, balance: number): void => {
      const known = byRank.get(rank) ?? { others: new Set(), balance: 0 };
      known.others.add(other);
      known.balance += balance;
      byRank.set(rank, known);
    };
    for (const [rank, missed] of this.complaints) {
      if (!left.has(rank)) continue;
      for (const other of missed) {
        if (!left.has(other)) continue;
        add(rank, other, -1);
        add(other, rank, 1);
      }
    }
    return [...byRank].map(([rank, { others, balance }]) => ({
      ...{ rank, balance },
      count: others.size,
    }));
  }
}

interface Quarrel {
  readonly rank: number;
  /** Members that it misses, or that miss it. */
  readonly count: number;
  /** How many more miss it than it misses. */
  readonly balance: number;
}

const byGuilt = (a: Quarrel, b: Quarrel): number =>
  b.count - a.count || b.balance - a.balance || b.rank - a.rank;

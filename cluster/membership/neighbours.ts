// The peers that connections lead to, and what each last said of itself.
import type { Hello, MessageOf } from "./messages.ts";
import { isSame, type Member, type View } from "./view.ts";

export type Neighbour = Pick<Hello, "generation" | "step" | "phase" | "members" | "joining"> & {
  readonly member: Member;
};

export class Neighbours {
  private readonly byRank = new Map<number, Neighbour>();

  add({ self: member, generation, step, phase, members, joining }: Hello): void {
    this.byRank.set(member.rank, { member, generation, step, phase, members, joining });
  }

  remove(rank: number): boolean {
    return this.byRank.delete(rank);
  }

  heard(rank: number, { generation, step, phase, members }: MessageOf<"beat">): void {
    const known = this.byRank.get(rank);
    if (known) this.byRank.set(rank, { ...known, generation, step, phase, members });
  }

  get(rank: number): Neighbour | undefined {
    return this.byRank.get(rank);
  }

  get ranks(): number[] {
    return [...this.byRank.keys()];
  }

  get all(): Neighbour[] {
    return [...this.byRank.values()];
  }

  /** Members of a view that can be spoken to and have not moved on to a later one. */
  livingOf({ members, generation }: View): Member[] {
    return members.filter((member) => {
      const neighbour = this.byRank.get(member.rank);
      return isSame(member, neighbour?.member) && (neighbour?.generation ?? 0) <= generation;
    });
  }

  /** Whether somebody is training, or about to go on. */
  get areAtWork(): boolean {
    return this.all.some(({ phase }) => phase === "member" || phase === "changing");
  }
}

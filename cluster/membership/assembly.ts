// Counts the members of a view that have installed it: only then may data flow between them.
import { ranksOf, type View } from "./view.ts";

export class Assembly {
  /** Members that have installed each generation; some tell before this peer knows the view. */
  private readonly installed = new Map<number, Set<number>>();
  private assembled = 0;

  add(rank: number, generation: number): void {
    const ranks = this.installed.get(generation) ?? new Set();
    this.installed.set(generation, ranks.add(rank));
  }

  has(rank: number, generation: number): boolean {
    return this.installed.get(generation)?.has(rank) ?? false;
  }

  /** True once for each view: when all its members have been counted. */
  isComplete({ generation, members }: View): boolean {
    for (const old of [...this.installed.keys()]) {
      if (old < generation) this.installed.delete(old);
    }
    const ranks = this.installed.get(generation);
    if (this.assembled === generation || !ranks || ranks.size < members.length) return false;
    if (!ranksOf(members).every((rank) => ranks.has(rank))) return false;
    this.assembled = generation;
    return true;
  }
}

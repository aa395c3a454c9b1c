// When a cluster is formed, not changed: at the beginning, and when too few are left of its last view to
// decide what follows, but somebody of each rank of it has come again.
import type { MembershipOptions } from "./contract.ts";
import type { Hello } from "./messages.ts";
import type { Neighbours } from "./neighbours.ts";
import { ranksOf, type View } from "./view.ts";

/** What a peer knows of the views that there have been. */
export interface Past {
  readonly options: MembershipOptions;
  readonly neighbours: Neighbours;
  /** The last one that it was in. */
  readonly view: View | undefined;
  /** A later one that was decided without it; or one that a register has kept from an earlier run. */
  readonly outside: View | undefined;
}

type Lineup = Pick<Hello, "generation" | "members">;

/** The generation that a first view follows: the latest that anyone knows. */
export function lastGeneration({ neighbours, view, outside }: Past): number {
  const generations = neighbours.all.map(({ generation }) => generation);
  return Math.max(view?.generation ?? 0, outside?.generation ?? 0, ...generations);
}

/** Ranks that must be there, and are not: of the last view, or of the first `size` if there was none. */
export function missingRanks(past: Past): number[] {
  const { neighbours, options } = past;
  return awaitedRanks(past).filter((rank) => rank !== options.self.rank && !neighbours.get(rank));
}

/**
 * Those of the last view. If only a register tells of that, and the run that it is of had more ranks, then this
 * is another one: it awaits those that it has itself. Should one of the others still be alive, it has lost its
 * register to this run's first view, and cannot go on.
 */
export function awaitedRanks(past: Past): readonly number[] {
  const { view, outside, neighbours, options } = past;
  const all = Array.from({ length: options.size }, (_, rank) => rank);
  const { generation, members } = lastLineup(past);
  if (generation === 0) return all;
  const isKnown = view !== undefined || neighbours.all.some((each) => each.generation > 0);
  if (isKnown || (outside?.size ?? 0) <= options.size) return members;
  const known = members.filter((rank) => rank < options.size);
  return known.length > 0 ? known : all;
}

/** Whether all are there, none is at work, and this is the one to propose the first view. */
export function mayForm(past: Past): boolean {
  const { options, neighbours, view } = past;
  // Who comes to a cluster at work does not form one; but it may have been in one since.
  if ((options.joining && !view) || neighbours.areAtWork) return false;
  const { rank } = options.self;
  const isLowest = neighbours.all.every(
    ({ member, joining, generation }) => member.rank > rank || (joining && generation === 0),
  );
  return isLowest && missingRanks(past).length === 0;
}

/**
 * Whether a peer that is asked to form a cluster knows of one that the asker may not know of: a later view,
 * or somebody who was in one and is not asked.
 */
export function knowsBetter(past: Past, generation: number, asked: readonly number[]): boolean {
  const others = past.neighbours.all.filter((each) => each.generation > 0);
  return (
    lastGeneration(past) > generation || others.some(({ member }) => !asked.includes(member.rank))
  );
}

function lastLineup({ neighbours, view, outside }: Past): Lineup {
  const own = [view, outside].flatMap((each) => (each ? lineupOf(each) : []));
  const nothing: Lineup = { generation: 0, members: [] };
  return [...own, ...neighbours.all].reduce(
    (a, b) => (b.generation > a.generation ? b : a),
    nothing,
  );
}

const lineupOf = ({ generation, members }: View): Lineup => ({
  generation,
  members: ranksOf(members),
});

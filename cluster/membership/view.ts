// Who belongs to the cluster, in which generation, and who of them may go on when some are gone.
import { z } from "zod";

/** One process of the job: a restarted one has its rank, and another incarnation. */
export const member = z.strictObject({
  rank: z.int().min(0).max(65535),
  incarnation: z.int().min(0),
  host: z.string().max(255),
  port: z.int().min(0).max(65535),
});
export type Member = z.infer<typeof member>;

/**
 * What a decision installs. Everyone in `members` begins update `resume` (counted from 0: the updates
 * made so far) with equal parameters: those in `fetching` get them from the others first.
 */
export const view = z.strictObject({
  generation: z.int().min(1),
  /** In order of rank. The first one leads: it proposes changes, writes checkpoints and logs. */
  members: z.array(member).min(1).max(4096),
  resume: z.int().min(0),
  fetching: z.array(z.int()).max(4096),
  /** In a register: the ranks that the run began with. One with fewer is another run. */
  size: z.int().min(1).max(4096).optional(),
});
export type View = z.infer<typeof view>;

export const ranksOf = (members: readonly Member[]): number[] => members.map(({ rank }) => rank);

export const inOrder = (members: Iterable<Member>): Member[] =>
  [...members].sort((a, b) => a.rank - b.rank);

export const isSame = (a: Member | undefined, b: Member | undefined): boolean =>
  a !== undefined && b !== undefined && a.rank === b.rank && a.incarnation === b.incarnation;

/**
 * Whether `present` may decide what follows a view: more than half of its members, or exactly half with
 * the lowest rank among them. Any two such sets have a member in common, so two sides of a partition
 * never both decide. Who left in good order (`gone`) will never vote otherwise, and is not counted.
 */
export function isQuorum(
  { members }: Pick<View, "members">,
  present: ReadonlySet<number>,
  gone: ReadonlySet<number> = new Set(),
): boolean {
  const { voters, votes } = ballot(members, present, gone);
  if (votes.length === 0) return false;
  const twice = 2 * votes.length;
  return twice > voters.length || (twice === voters.length && votes[0] === voters[0]);
}

/** Whether `present` are at least half of a view's members: no other side of a partition has more. */
export function isHalf(
  { members }: Pick<View, "members">,
  present: ReadonlySet<number>,
  gone: ReadonlySet<number> = new Set(),
): boolean {
  const { voters, votes } = ballot(members, present, gone);
  return votes.length > 0 && 2 * votes.length >= voters.length;
}

function ballot(
  members: readonly Member[],
  present: ReadonlySet<number>,
  gone: ReadonlySet<number>,
): { readonly voters: readonly number[]; readonly votes: readonly number[] } {
  const voters = ranksOf(members).filter((rank) => !gone.has(rank));
  return { voters, votes: voters.filter((rank) => present.has(rank)) };
}

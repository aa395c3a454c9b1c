// The leader's side of one change: asks for promises, then has one view accepted. Paxos's proposer.
import {
  type Ballot,
  isLater,
  isSameBallot,
  type Message,
  type MessageOf,
  type Position,
} from "./messages.ts";
import { inOrder, type Member, ranksOf, type View } from "./view.ts";

export class Candidacy {
  /** What the members promised, and where they stand. */
  readonly promises = new Map<number, MessageOf<"promise">>();
  /** The view proposed, once there is one, and who accepted it. */
  proposed: View | undefined;
  readonly accepted = new Set<number>();
  /** Whether it is for the external register to decide now. */
  isSubmitted = false;

  /**
   * @param generation the one that the new view follows.
   * @param forms whether this forms a cluster of all who are there, not a new view of an old one.
   */
  constructor(
    readonly generation: number,
    readonly ballot: Ballot,
    readonly forms: boolean,
  ) {}

  /** Whether an answer is to this one: the ballots of each generation begin anew. */
  isAsked({ generation, ballot }: { generation: number; ballot: Ballot }): boolean {
    return generation === this.generation && isSameBallot(ballot, this.ballot);
  }

  /** The view that must be proposed, because somebody may have decided for it. */
  get bound(): View | undefined {
    let latest: { ballot: Ballot; view: View } | undefined;
    for (const { accepted } of this.promises.values()) {
      if (accepted && isLater(accepted.ballot, latest?.ballot)) latest = accepted;
    }
    return latest?.view;
  }

  /**
   * A view of those who promised, and of the newcomers.
   *
   * @param last the view that it follows, if this does not form a cluster.
   * @returns undefined if nobody of them has the state.
   */
  choose(
    last: View | undefined,
    toMember: (rank: number) => Member,
    joiners: ReadonlyMap<number, Standing>,
  ): View | undefined {
    const { generation, promises, forms } = this;
    const standings = [...promises].map(([rank, { position }]) => ({
      member: toMember(rank),
      position,
    }));
    if (forms || !last) return firstView(generation, standings, this.last);
    const newcomers = [...joiners.values()].map(({ member }) => member);
    const joining = newcomers.filter(({ rank }) => !promises.has(rank));
    return nextView(last, standings, joining);
  }

  /** What is known of the view that is followed, by those who promised. */
  private get last(): Settled | undefined {
    const known = [...this.promises.values()].find(({ last }) => last !== null)?.last;
    return known ? { generation: this.generation, ...known } : undefined;
  }

  /** What to ask again of whom. */
  *unanswered(ranks: readonly number[]): Generator<[rank: number, request: Message]> {
    const { generation, ballot, promises, proposed: view, accepted } = this;
    const prepare = this.prepare(ranks);
    for (const rank of ranks) {
      if (view && !accepted.has(rank)) yield [rank, { t: "accept", generation, ballot, view }];
      if (!view && !promises.has(rank)) yield [rank, prepare];
    }
  }

  /** @param ranks the others that are asked. */
  prepare(ranks: readonly number[]): MessageOf<"prepare"> {
    const { generation, ballot, forms } = this;
    const all = forms ? [...ranks, ballot[1]] : null;
    return { t: "prepare", generation, ballot, forms: all };
  }
}

export interface Standing {
  readonly member: Member;
  readonly position: Position;
}

const memberOf = ({ member }: Standing): Member => member;

/**
 * The view after `last`.
 *
 * All who stay have made s or s + 1 updates. If one has made s + 1, all others hold the reduced gradient
 * of update s, since it was applied only when everyone held it. If all have made s and all hold it, one who
 * is gone may have applied it: they apply it too. Else nobody has, and update s is computed anew.
 *
 * @param staying members of the last view; @param joining newcomers, who fetch everything.
 * @returns undefined if nobody who stays has the state.
 */
export function nextView(
  last: View,
  staying: readonly Standing[],
  joining: readonly Member[],
): View | undefined {
  const whole = staying.map((standing) => settled(standing, last)).filter(isWhole);
  if (whole.length === 0) return undefined;
  const step = Math.max(...whole.map(({ position }) => position.step));
  const allHold = whole.every(({ position }) => position.held && position.step === step);
  const members = inOrder([...staying.map(memberOf), ...joining]);
  const having = new Set(whole.map(({ member }) => member.rank));
  return {
    generation: last.generation + 1,
    members,
    resume: allHold ? step + 1 : step,
    fetching: ranksOf(members).filter((rank) => !having.has(rank)),
  };
}

type Settled = Pick<View, "generation" | "resume" | "fetching">;

const isWhole = ({ position }: Standing): boolean => position.whole;

/**
 * Where a peer will stand if it hears of the view that is followed only now: it has no state if it was to
 * fetch that, and what it holds counts only if the view has it applied.
 */
function settled({ member, position }: Standing, last: Settled | undefined): Standing {
  if (!last || position.installed >= last.generation) return { member, position };
  const whole = position.whole && !last.fetching.includes(member.rank);
  const held = position.held && position.step < last.resume;
  return { member, position: { ...position, whole, held } };
}

/**
 * The first view of processes that all begin, or begin again. Whoever has made most updates is right, an
 * update that it holds included: one who is gone may have applied it. Of several the lowest rank; all who
 * differ fetch its state.
 *
 * @param last what is known of the view of that generation.
 * @returns undefined if nobody has a state.
 */
export function firstView(
  generation: number,
  promised: readonly Standing[],
  last?: Settled,
): View | undefined {
  const all = promised.map((standing) => settled(standing, last));
  const reach = ({ position: { step, held } }: Standing): number => step + Number(held);
  const whole = all.filter(isWhole);
  const resume = Math.max(...whole.map(reach));
  const [right] = whole.filter((each) => reach(each) === resume).sort(byMerit);
  if (!right) return undefined;
  const fetching = all.filter(({ position }) => !isLike(position, right.position, resume));
  return {
    generation: generation + 1,
    members: inOrder(all.map(memberOf)),
    resume,
    fetching: ranksOf(inOrder(fetching.map(memberOf))),
  };
}

/** Of those who reach as far: who has made more updates, has a later view's state, has the lower rank. */
const byMerit = (a: Standing, b: Standing): number =>
  b.position.step - a.position.step ||
  b.position.installed - a.position.installed ||
  a.member.rank - b.member.rank;

/** Whether a peer will have the right one's state at update `resume`. */
function isLike(position: Position, right: Position, resume: number): boolean {
  // Peers of different views hold different sums of an update, and may be further in what follows one.
  const isSame =
    position.step === right.step &&
    position.parameters === right.parameters &&
    position.installed === right.installed;
  return position.whole && isSame && (right.step === resume || position.held);
}

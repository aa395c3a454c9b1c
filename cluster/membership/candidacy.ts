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
  readonly promises = new Map<number, Pick<MessageOf<"promise">, "position" | "accepted">>();
  /** The view proposed, once there is one, and who accepted it. */
  proposed: View | undefined;
  readonly accepted = new Set<number>();

  /**
   * @param generation the one that the new view follows.
   * @param forms whether this forms a cluster of all who are there, not a new view of an old one.
   */
  constructor(
    readonly generation: number,
    readonly ballot: Ballot,
    readonly forms: boolean,
  ) {}

  /** Whether an answer is to this ballot. */
  has(ballot: Ballot): boolean {
    return isSameBallot(ballot, this.ballot);
  }

  /** The view that must be proposed, because somebody may have decided for it. */
  get bound(): View | undefined {
    let latest: { ballot: Ballot; view: View } | undefined;
    for (const { accepted } of this.promises.values()) {
      if (accepted && isLater(accepted.ballot, latest?.ballot)) latest = accepted;
    }
    return latest?.view;
  }

  /** A view of those who promised, and of the newcomers; undefined if none of them has the state. */
  choose(
    memberOf: (rank: number) => Member,
    joiners: ReadonlyMap<number, Standing>,
  ): View | undefined {
    const { generation, promises, forms } = this;
    const standings = [...promises].map(([rank, { position }]) => ({
      member: memberOf(rank),
      position,
    }));
    if (forms) return firstView(generation, standings);
    const newcomers = [...joiners.values()].map(({ member }) => member);
    const joining = newcomers.filter(({ rank }) => !promises.has(rank));
    return nextView(generation, standings, joining);
  }

  /** What to ask again of whom. */
  *unanswered(ranks: readonly number[]): Generator<[rank: number, request: Message]> {
    const { generation, ballot, promises, proposed: view, accepted } = this;
    for (const rank of ranks) {
      if (view && !accepted.has(rank)) yield [rank, { t: "accept", generation, ballot, view }];
      if (!view && !promises.has(rank)) yield [rank, { t: "prepare", generation, ballot }];
    }
  }
}

export interface Standing {
  readonly member: Member;
  readonly position: Position;
}

/**
 * The view after one of `generation`.
 *
 * All who stay have made s or s + 1 updates. If one has made s + 1, all others hold the reduced gradient
 * of update s, since it was applied only when everyone held it. If all have made s and all hold it, one who
 * is gone may have applied it: they apply it too. Else nobody has, and update s is computed anew. Who was
 * still fetching the state has none, and fetches it from those who have.
 *
 * @param staying members of the old view; @param joining newcomers, who fetch everything.
 * @returns undefined if nobody has the state.
 */
export function nextView(
  generation: number,
  staying: readonly Standing[],
  joining: readonly Member[],
): View | undefined {
  const whole = staying.filter(({ position }) => position.whole);
  if (whole.length === 0) return undefined;
  const step = Math.max(...whole.map(({ position }) => position.step));
  const allHold = whole.every(({ position }) => position.held && position.step === step);
  const members = inOrder([...staying.map(({ member }) => member), ...joining]);
  return {
    generation: generation + 1,
    members,
    resume: allHold ? step + 1 : step,
    fetching: ranksOf(members).filter((rank) => !whole.some(({ member }) => member.rank === rank)),
  };
}

/**
 * The first view of processes that all begin, or begin again: whoever has made most updates is right; of
 * several the one whose state is of the latest generation, for it may be further in what follows an
 * update; of several the lowest rank. All who differ fetch its state.
 *
 * @returns undefined if nobody has a state.
 */
export function firstView(generation: number, all: readonly Standing[]): View | undefined {
  const members = inOrder(all.map(({ member }) => member));
  const [right] = all
    .filter(({ position }) => position.whole)
    .sort(
      (a, b) =>
        b.position.step - a.position.step ||
        b.position.installed - a.position.installed ||
        a.member.rank - b.member.rank,
    );
  if (right === undefined) return undefined;
  const fetching = all
    .filter(({ position }) => !position.whole || !isSameState(position, right.position))
    .map(({ member }) => member.rank)
    .sort((a, b) => a - b);
  return { generation: generation + 1, members, resume: right.position.step, fetching };
}

const isSameState = (a: Position, b: Position): boolean =>
  a.step === b.step && a.parameters === b.parameters && a.installed === b.installed;

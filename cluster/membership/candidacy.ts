// The leader's side of one change: asks for promises, then has one view accepted. Paxos's proposer.
import {
  type Ballot,
  isLater,
  isSameBallot,
  type Message,
  type MessageOf,
  type Position,
} from "./messages.ts";
import { inOrder, type Member, type View } from "./view.ts";

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

  /** A view of those who promised, and of the newcomers. */
  choose(memberOf: (rank: number) => Member, joiners: ReadonlyMap<number, Standing>): View {
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
 * is gone may have applied it: they apply it too. Else nobody has, and update s is computed anew.
 *
 * @param staying members of the old view; @param joining newcomers, who fetch everything.
 */
export function nextView(
  generation: number,
  staying: readonly Standing[],
  joining: readonly Member[],
): View {
  const step = Math.max(...staying.map(({ position }) => position.step));
  const allHold = staying.every(({ position }) => position.held && position.step === step);
  const members = inOrder([...staying.map(({ member }) => member), ...joining]);
  return {
    generation: generation + 1,
    members,
    resume: allHold ? step + 1 : step,
    fetching: joining.map(({ rank }) => rank).sort((a, b) => a - b),
  };
}

/**
 * The first view of processes that all begin, or begin again: whoever has made most updates is right
 * (of several the lowest rank), and all who differ fetch its state.
 */
export function firstView(generation: number, all: readonly Standing[]): View {
  const members = inOrder(all.map(({ member }) => member));
  const resume = Math.max(...all.map(({ position }) => position.step));
  const [right] = all
    .filter(({ position }) => position.step === resume)
    .sort((a, b) => a.member.rank - b.member.rank);
  const fetching = all
    .filter(
      ({ position }) =>
        position.step !== resume || position.parameters !== right.position.parameters,
    )
    .map(({ member }) => member.rank)
    .sort((a, b) => a - b);
  return { generation: generation + 1, members, resume, fetching };
}

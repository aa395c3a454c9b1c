// How the lowest living rank brings a change about: it asks all it can reach to promise, then has a view
// accepted by a quorum, or swapped into the external register.
import type { Acceptor } from "./acceptor.ts";
import { Candidacy, type Standing } from "./candidacy.ts";
import type { MembershipEffects, MembershipMessage } from "./contract.ts";
import { type Ballot, isLater, type MessageOf } from "./messages.ts";
import { isQuorum, type Member, type View } from "./view.ts";

/** What a campaign knows of its membership. */
export interface Ground {
  readonly rank: number;
  readonly acceptor: Acceptor;
  readonly effects: MembershipEffects;
  /** The others whose promises are awaited. @param forms whether all begin anew. */
  electorate(forms: boolean): readonly number[];
  /** Generation that a new view would follow. */
  generation(forms: boolean): number;
  view(): View | undefined;
  readonly gone: ReadonlySet<number>;
  readonly joiners: ReadonlyMap<number, Standing>;
  memberOf(rank: number): Member;
  /** Whether those in reach have waited long enough for others to decide. */
  isPatient(): boolean;
  /** To a peer, or to this one itself. */
  answer(rank: number, message: MessageOf<MembershipMessage>): void;
  decided(view: View): void;
}

export class Campaign {
  private candidacy: Candidacy | undefined;
  /** Generation of the register when it was found ahead of all who are there. */
  private floor = 0;

  constructor(private readonly ground: Ground) {}

  get isOpen(): boolean {
    return this.candidacy !== undefined;
  }

  /** Whether it is to form a cluster. */
  get forms(): boolean {
    return this.candidacy?.forms ?? false;
  }

  end(): void {
    this.candidacy = undefined;
  }

  /** Opens a ballot, unless one is open. @param forms whether all begin anew. */
  stand(forms: boolean): void {
    if (this.candidacy) return;
    const { rank, acceptor, answer } = this.ground;
    const known = this.ground.generation(forms);
    const generation = forms ? Math.max(known, this.floor) : known;
    const ballot: Ballot = [acceptor.roundOf(generation) + 1, rank];
    this.candidacy = new Candidacy(generation, ballot, forms);
    answer(rank, { t: "prepare", generation, ballot });
    this.remind();
  }

  /** Repeats what has not been answered: a message may have met a peer of an older view. */
  remind(): void {
    const { candidacy, ground } = this;
    if (!candidacy) return;
    for (const [rank, request] of candidacy.unanswered(ground.electorate(candidacy.forms))) {
      ground.effects.send(rank, request);
    }
  }

  promised(rank: number, promise: MessageOf<"promise">): void {
    const { candidacy, ground } = this;
    if (!candidacy || candidacy.proposed || !candidacy.has(promise.ballot)) return;
    candidacy.promises.set(rank, promise);
    const awaited = ground.electorate(candidacy.forms);
    if (awaited.every((each) => candidacy.promises.has(each))) this.propose(candidacy);
  }

  rejected({ generation, promised }: MessageOf<"reject">): void {
    const { candidacy, ground } = this;
    if (candidacy?.generation !== generation || !isLater(promised, candidacy.ballot)) return;
    ground.acceptor.outbid(generation, promised);
    this.candidacy = undefined;
  }

  accepted(rank: number, { ballot }: MessageOf<"accepted">): void {
    const { candidacy, ground } = this;
    const view = ground.view();
    if (!candidacy?.proposed || !view || !candidacy.has(ballot)) return;
    candidacy.accepted.add(rank);
    if (isQuorum(view, candidacy.accepted, ground.gone)) ground.decided(candidacy.proposed);
  }

  private propose(candidacy: Candidacy): void {
    const { ground } = this;
    const { generation, ballot, forms } = candidacy;
    const { swap } = ground.effects;
    const view =
      candidacy.bound ?? candidacy.choose((rank) => ground.memberOf(rank), ground.joiners);
    if (!view) {
      this.candidacy = undefined;
      return;
    }
    if (swap) {
      if (this.mustYield(candidacy)) this.candidacy = undefined;
      else void this.decideBySwap(candidacy, view, swap);
      return;
    }
    candidacy.proposed = view;
    if (forms) {
      ground.decided(view); // nobody is left who could decide otherwise
      return;
    }
    ground.answer(ground.rank, { t: "accept", generation, ballot, view });
    this.remind();
  }

  /** The many go first: a few who are cut off must not win the register by being quick. */
  private mustYield({ forms, promises }: Candidacy): boolean {
    const { ground } = this;
    const view = ground.view();
    if (forms || view === undefined || ground.isPatient()) return false;
    return !isQuorum(view, new Set(promises.keys()), ground.gone);
  }

  private async decideBySwap(
    candidacy: Candidacy,
    view: View,
    swap: NonNullable<MembershipEffects["swap"]>,
  ): Promise<void> {
    const { ground } = this;
    candidacy.proposed = view;
    try {
      const standing = await swap(candidacy.generation, view);
      // A register of an earlier run of the job, whose processes are all gone.
      if (candidacy.forms) this.floor = Math.max(this.floor, standing.generation);
      ground.decided(standing);
    } catch (error) {
      const { message } = error as Error;
      ground.effects.say(`the fence does not answer: ${message}`);
    }
    if (this.candidacy === candidacy) this.candidacy = undefined;
  }
}

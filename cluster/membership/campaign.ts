// How the lowest living rank brings a change about: it asks all it can reach to promise, then has a view
// accepted by a quorum, or swapped into the external register.
import type { Acceptor } from "./acceptor.ts";
import { Candidacy, type Standing } from "./candidacy.ts";
import type { MembershipEffects, MembershipMessage } from "./contract.ts";
import { type Ballot, isLater, type MessageOf } from "./messages.ts";
import { isHalf, isQuorum, type Member, type View } from "./view.ts";

/** What a campaign knows of its membership. */
export interface Ground {
  readonly rank: number;
  readonly acceptor: Acceptor;
  readonly effects: MembershipEffects;
  /** The others whose promises are awaited. @param forms whether all begin anew. */
  electorate(forms: boolean): readonly number[];
  /** Ranks that the run began with. @param forms whether all begin anew. */
  size(forms: boolean): number;
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

  /** Opens a ballot, unless one about the same is open. @param forms whether all begin anew. */
  stand(forms: boolean): void {
    const { rank, acceptor, answer } = this.ground;
    const generation = this.ground.generation(forms);
    if (this.candidacy?.forms === forms && this.candidacy.generation === generation) return;
    const ballot: Ballot = [acceptor.roundOf(generation) + 1, rank];
    this.candidacy = new Candidacy(generation, ballot, forms);
    answer(rank, this.candidacy.prepare(this.ground.electorate(forms)));
    this.remind();
  }

  /** Repeats what has not been answered: a message may have met a peer of an older view. */
  remind(): void {
    const { candidacy, ground } = this;
    if (!candidacy || candidacy.isSubmitted) return;
    for (const [rank, request] of candidacy.unanswered(ground.electorate(candidacy.forms))) {
      ground.effects.send(rank, request);
    }
  }

  promised(rank: number, promise: MessageOf<"promise">): void {
    const { candidacy, ground } = this;
    if (!candidacy || candidacy.proposed || !candidacy.isAsked(promise)) return;
    candidacy.promises.set(rank, promise);
    if (!this.haveAll(candidacy, candidacy.promises)) return;
    // Others may have moved on since this one stood; fewer might not know what was accepted.
    const isUpToRegister = ground.effects.swap !== undefined;
    if (candidacy.forms || isUpToRegister || this.isQuorum(candidacy.promises)) {
      this.propose(candidacy);
    }
  }

  rejected({ generation, promised }: MessageOf<"reject">): void {
    const { candidacy, ground } = this;
    if (candidacy?.generation !== generation || !isLater(promised, candidacy.ballot)) return;
    ground.acceptor.outbid(generation, promised);
    this.candidacy = undefined;
  }

  accepted(rank: number, answer: MessageOf<"accepted">): void {
    const { candidacy, ground } = this;
    if (!candidacy?.proposed || !candidacy.isAsked(answer)) return;
    const { accepted, proposed, forms } = candidacy;
    accepted.add(rank);
    // Those who form a cluster may have forgotten what they were: only all of them can decide.
    const isDecided = forms ? this.haveAll(candidacy, accepted) : this.isQuorum(accepted);
    if (!isDecided) return;
    this.candidacy = undefined;
    ground.decided(proposed);
  }

  /** Whether all who can be asked have answered, this peer included. */
  private haveAll({ forms }: Candidacy, answers: { has(rank: number): boolean }): boolean {
    const { rank, electorate } = this.ground;
    return answers.has(rank) && electorate(forms).every((each) => answers.has(each));
  }

  private isQuorum(answers: { keys(): Iterable<number> }): boolean {
    const view = this.ground.view();
    return view !== undefined && isQuorum(view, new Set(answers.keys()), this.ground.gone);
  }

  private propose(candidacy: Candidacy): void {
    const { ground } = this;
    const { generation, ballot } = candidacy;
    const { swap } = ground.effects;
    const chosen = candidacy.choose(ground.view(), (rank) => ground.memberOf(rank), ground.joiners);
    // What a register decides, members must not decide as well.
    const view = (swap ? undefined : candidacy.bound) ?? chosen;
    if (!view || (swap && this.mustYield(candidacy))) {
      this.candidacy = undefined;
      return;
    }
    candidacy.proposed = view;
    if (swap) {
      void this.submit(candidacy, view, swap);
      return;
    }
    ground.answer(ground.rank, { t: "accept", generation, ballot, view });
    this.remind();
  }

  /** The many go first: a few who are cut off must not win the register by being quick. Halves are as many. */
  private mustYield({ forms, promises }: Candidacy): boolean {
    if (forms || this.ground.isPatient()) return false;
    const view = this.ground.view();
    return view === undefined || !isHalf(view, new Set(promises.keys()), this.ground.gone);
  }

  /** Has the register decide. */
  private async submit(
    candidacy: Candidacy,
    view: View,
    swap: NonNullable<MembershipEffects["swap"]>,
  ): Promise<void> {
    const { ground } = this;
    candidacy.isSubmitted = true;
    const next = { ...view, size: ground.size(candidacy.forms) };
    const standing = await swap(candidacy.generation, next).catch(({ message }: Error) => {
      ground.effects.say(`the fence does not answer: ${message}`);
    });
    if (this.candidacy === candidacy) this.candidacy = undefined;
    if (standing) ground.decided(standing);
  }
}

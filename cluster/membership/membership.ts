// Who belongs to the cluster: a state machine without sockets, threads or clocks, so that the simulator
// runs the same code. Peers agree on a sequence of views; docs/cluster.md says what follows from it.
import { Acceptor } from "./acceptor.ts";
import { Assembly } from "./assembly.ts";
import { Candidacy, type Standing } from "./candidacy.ts";
import type { MembershipEffects, MembershipMessage, MembershipOptions } from "./contract.ts";
import {
  type Ballot,
  type Hello,
  isLater,
  type Message,
  type MessageOf,
  type Phase,
} from "./messages.ts";
import { Neighbours } from "./neighbours.ts";
import { isQuorum, isSame, type Member, ranksOf, type View } from "./view.ts";

type Handlers = {
  readonly [T in MembershipMessage]: (rank: number, message: MessageOf<T>) => void;
};

export class Membership {
  phase: Phase = "forming";
  view: View | undefined;
  private readonly neighbours = new Neighbours();
  private readonly acceptor = new Acceptor();
  /** Members of the view that are held to be dead, and those that left in good order. */
  private readonly accused = new Set<number>();
  private readonly gone = new Set<number>();
  private readonly joiners = new Map<number, Standing>();
  private candidacy: Candidacy | undefined;
  private readonly assembly = new Assembly();
  /** Generation of the register when it was found ahead of all who are there. */
  private floor = 0;
  /** The last generation whose state this peer has. */
  private installed = 0;
  private since = 0;
  private now = 0;

  private readonly handlers: Handlers = {
    beat: (rank, message) => this.onBeat(rank, message),
    leave: (rank, { reason }) => this.onLeave(rank, reason),
    suspect: (_, message) => this.onSuspect(message),
    join: (rank, message) => this.onJoin(rank, message),
    prepare: (rank, message) => this.onPrepare(rank, message),
    promise: (rank, message) => this.onPromise(rank, message),
    reject: (_, message) => this.onReject(message),
    accept: (rank, message) => this.onAccept(rank, message),
    accepted: (rank, message) => this.onAccepted(rank, message),
    decide: (_, { view }) => this.onDecide(view),
    installed: (rank, { generation }) => this.onInstalled(rank, generation),
  };

  constructor(
    private readonly options: MembershipOptions,
    private readonly effects: MembershipEffects,
  ) {}

  get generation(): number {
    return this.view?.generation ?? 0;
  }

  /** The lowest rank of the view: writes checkpoints, logs, proposes changes. */
  get leads(): boolean {
    return this.view?.members[0].rank === this.options.self.rank;
  }

  /** Ranks that are awaited before a first view. */
  missing(): number[] {
    return this.needed().filter((rank) => this.neighbours.get(rank) === undefined);
  }

  /** What heartbeats and greetings tell of this peer. */
  standing(): Pick<Hello, "generation" | "step" | "phase" | "members" | "installed"> {
    const { generation, phase, view, installed } = this;
    const { step } = this.effects.position();
    return { generation, step, phase, members: view ? ranksOf(view.members) : [], installed };
  }

  /** A connection to a peer is open and its hello fits. */
  linked(hello: Hello): void {
    const { rank } = hello.self;
    this.neighbours.add(hello);
    const known = this.view?.members.find((each) => each.rank === rank);
    // It was started again: whoever had the rank before is dead.
    if (known && !isSame(known, hello.self)) this.accuse(rank);
    this.reconsider();
  }

  /** The connection is gone, or nothing was heard for too long. */
  unlinked(rank: number, reason: string): void {
    if (!this.neighbours.remove(rank)) return;
    this.joiners.delete(rank);
    if (this.candidacy?.forms) this.candidacy = undefined;
    if (!this.isMember(rank)) return;
    if (!this.gone.has(rank)) this.effects.say(`lost rank ${rank}: ${reason}`);
    this.accuse(rank);
    this.reconsider();
  }

  /** Time passes: to be called a few times per second. @param now milliseconds, from any origin. */
  tick(now: number): void {
    this.now = now;
    if (this.phase === "member" && now - this.since > this.options.patience) {
      for (const { rank } of this.view?.members ?? []) {
        if (rank !== this.options.self.rank && !this.neighbours.get(rank)) this.accuse(rank);
      }
    }
    this.reconsider();
    if (this.phase === "member") return;
    this.askToJoin();
    this.remind();
  }

  /** A message about membership has come. */
  received(rank: number, message: MessageOf<MembershipMessage>): void {
    const handle = this.handlers[message.t] as (rank: number, message: Message) => void;
    handle(rank, message);
  }

  /** This peer has the state that its view asks for. */
  ready(): void {
    const { view } = this;
    if (!view) return;
    const { generation } = view;
    this.installed = generation;
    for (const { rank } of view.members) this.answer(rank, { t: "installed", generation });
  }

  /** A member must be dead, for a reason that only the exchange may know. */
  accuse(rank: number): void {
    if (!this.isMember(rank) || this.accused.has(rank)) return;
    this.accused.add(rank);
    this.candidacy = undefined;
    this.beginChange();
  }

  // ---- a change ----

  private beginChange(): void {
    if (this.phase !== "member") return;
    this.phase = "changing";
    this.since = this.now;
    this.effects.abort();
  }

  /** Does what the present knowledge asks for, if that was not done yet. */
  private reconsider(): void {
    if (this.phase === "forming" || this.phase === "suspended") {
      if (this.canForm()) this.stand(true);
      if (!this.mayDecide(this.live())) return;
      this.phase = "changing";
      this.since = this.now;
    }
    if (this.phase === "member" && this.leads && this.joiners.size > 0) this.beginChange();
    if (this.phase !== "changing") return;
    const live = this.live();
    if (!this.mayDecide(live)) this.suspend(live);
    else if (live[0] === this.options.self.rank) this.stand(false);
  }

  /** Members of the view that can still decide with this one, itself included, in order of rank. */
  private live(): number[] {
    const { view, neighbours, accused } = this;
    if (!view) return [];
    const others = ranksOf(neighbours.livingOf(view)).filter((rank) => !accused.has(rank));
    return [...others, this.options.self.rank].sort((a, b) => a - b);
  }

  private mayDecide(live: readonly number[]): boolean {
    const { view, effects, gone } = this;
    if (!view) return false;
    return effects.swap !== undefined || isQuorum(view, new Set(live), gone);
  }

  private suspend(live: readonly number[]): void {
    this.phase = "suspended";
    this.candidacy = undefined;
    const all = this.view?.members.length ?? 0;
    this.effects.suspended(`only ${live.length} of the last ${all} members are in reach`);
  }

  /** Opens a ballot, unless one is open. @param forms whether all begin anew. */
  private stand(forms: boolean): void {
    if (this.candidacy) return;
    const { rank } = this.options.self;
    const { highestGeneration } = this.neighbours;
    const generation = forms
      ? Math.max(this.generation, highestGeneration, this.floor)
      : this.generation;
    const ballot: Ballot = [this.acceptor.roundOf(generation) + 1, rank];
    this.candidacy = new Candidacy(generation, ballot, forms);
    this.answer(rank, { t: "prepare", generation, ballot });
    this.remind();
  }

  /** Repeats what has not been answered: a message may have met a peer of an older view. */
  private remind(): void {
    const { candidacy, effects, generation } = this;
    if (candidacy) {
      for (const [rank, request] of candidacy.unanswered(this.electorate(candidacy))) {
        effects.send(rank, request);
      }
      return;
    }
    const [leader] = this.live();
    if (this.phase !== "changing" || leader === this.options.self.rank) return;
    effects.send(leader, { t: "suspect", generation, ranks: [...this.accused] });
  }

  /** The others whose promises are awaited. */
  private electorate({ forms }: Candidacy): number[] {
    const ranks = forms ? this.neighbours.ranks : this.live();
    return ranks.filter((rank) => rank !== this.options.self.rank);
  }

  private onSuspect({ generation, ranks }: MessageOf<"suspect">): void {
    if (generation !== this.generation) return;
    for (const rank of ranks) if (rank !== this.options.self.rank) this.accuse(rank);
    this.beginChange();
    this.reconsider();
  }

  private onPrepare(rank: number, message: MessageOf<"prepare">): void {
    if (this.isPast(rank, message.generation)) return;
    const isOwn = rank === this.options.self.rank;
    const reply = this.acceptor.prepare(message, () => {
      // Whoever promises has stopped: it makes no update of this view any more.
      this.beginChange();
      if (!isOwn) this.candidacy = undefined;
      return this.effects.position();
    });
    this.answer(rank, reply);
  }

  private onPromise(rank: number, promise: MessageOf<"promise">): void {
    const { candidacy } = this;
    if (!candidacy || candidacy.proposed || !candidacy.has(promise.ballot)) return;
    candidacy.promises.set(rank, promise);
    const awaited = this.electorate(candidacy);
    if (awaited.every((each) => candidacy.promises.has(each))) this.propose(candidacy);
  }

  private propose(candidacy: Candidacy): void {
    const { generation, ballot, forms } = candidacy;
    const { swap } = this.effects;
    const view = candidacy.bound ?? candidacy.choose((rank) => this.memberOf(rank), this.joiners);
    if (swap) {
      if (this.mustYield(candidacy)) this.candidacy = undefined;
      else void this.decideBySwap(candidacy, view, swap);
      return;
    }
    candidacy.proposed = view;
    if (forms) {
      this.announce(view); // nobody is left who could decide otherwise
      return;
    }
    this.answer(this.options.self.rank, { t: "accept", generation, ballot, view });
    this.remind();
  }

  /** The many go first: a few who are cut off must not win the register by being quick. */
  private mustYield({ forms, promises }: Candidacy): boolean {
    const { view, gone } = this;
    const few = !forms && view !== undefined && !isQuorum(view, new Set(promises.keys()), gone);
    return few && this.now - this.since < this.options.patience;
  }

  private async decideBySwap(
    candidacy: Candidacy,
    view: View,
    swap: NonNullable<MembershipEffects["swap"]>,
  ): Promise<void> {
    candidacy.proposed = view;
    try {
      const standing = await swap(candidacy.generation, view);
      // A register of an earlier run of the job, whose processes are all gone.
      if (candidacy.forms) this.floor = Math.max(this.floor, standing.generation);
      this.announce(standing);
    } catch (error) {
      const { message } = error as Error;
      this.effects.say(`the fence does not answer: ${message}`);
    }
    if (this.candidacy === candidacy) this.candidacy = undefined;
  }

  private onReject({ generation, promised }: MessageOf<"reject">): void {
    const { candidacy } = this;
    if (candidacy?.generation !== generation || !isLater(promised, candidacy.ballot)) return;
    this.acceptor.outbid(generation, promised);
    this.candidacy = undefined;
  }

  private onAccept(rank: number, message: MessageOf<"accept">): void {
    if (this.isPast(rank, message.generation)) return;
    this.answer(rank, this.acceptor.accept(message));
  }

  private onAccepted(rank: number, { ballot }: MessageOf<"accepted">): void {
    const { candidacy, view } = this;
    if (!candidacy?.proposed || !view || !candidacy.has(ballot)) return;
    candidacy.accepted.add(rank);
    if (isQuorum(view, candidacy.accepted, this.gone)) this.announce(candidacy.proposed);
  }

  private announce(view: View): void {
    for (const rank of this.neighbours.ranks) this.effects.send(rank, { t: "decide", view });
    this.onDecide(view);
  }

  private onDecide(view: View): void {
    if (view.generation <= this.generation) return;
    if (!view.members.some((member) => isSame(member, this.options.self))) return;
    this.view = view;
    this.phase = "member";
    this.since = this.now;
    this.candidacy = undefined;
    this.accused.clear();
    this.gone.clear();
    for (const { rank } of view.members) this.joiners.delete(rank);
    this.effects.install(view);
    this.checkAssembled();
  }

  private onInstalled(rank: number, generation: number): void {
    this.assembly.add(rank, generation);
    this.checkAssembled();
  }

  private checkAssembled(): void {
    const { view, phase } = this;
    if (view && phase === "member" && this.assembly.isComplete(view)) this.effects.assembled(view);
  }

  // ---- coming and going ----

  private onBeat(rank: number, beat: MessageOf<"beat">): void {
    this.neighbours.heard(rank, beat);
    // Said again, for what was said before there was a connection.
    this.onInstalled(rank, beat.installed);
    this.isPast(rank, beat.generation);
  }

  private onLeave(rank: number, reason: string): void {
    this.gone.add(rank);
    this.unlinked(rank, reason);
  }

  private onJoin(rank: number, { self: member, position }: MessageOf<"join">): void {
    if (this.phase === "forming" || this.phase === "suspended") return;
    this.joiners.set(rank, { member, position });
    // A member that asks to come in has given its place up.
    if (this.view?.members.some((each) => isSame(each, member))) this.accuse(rank);
    this.reconsider();
  }

  private askToJoin(): void {
    const { self } = this.options;
    for (const { member, phase, generation } of this.neighbours.all) {
      if (phase !== "member" || generation <= this.generation) continue;
      this.effects.send(member.rank, { t: "join", self, position: this.effects.position() });
    }
  }

  private needed(): number[] {
    const { self, size } = this.options;
    const { generation, view } = this;
    const own = { generation, members: view ? ranksOf(view.members) : [] };
    return this.neighbours.neededBeside(own, size).filter((rank) => rank !== self.rank);
  }

  /** Whether all are there, none is at work, and this is the one to propose the first view. */
  private canForm(): boolean {
    const { neighbours, options, candidacy } = this;
    if (options.joining || candidacy || neighbours.areAtWork) return false;
    const { rank } = options.self;
    const isLowest = neighbours.all.every(({ member, joining }) => member.rank > rank || joining);
    return isLowest && this.missing().length === 0;
  }

  // ---- small things ----

  private memberOf(rank: number): Member {
    const { self } = this.options;
    const member = rank === self.rank ? self : this.neighbours.get(rank)?.member;
    if (!member) throw new Error(`membership: rank ${rank} is not known`);
    return member;
  }

  private isMember(rank: number): boolean {
    return this.view?.members.some((member) => member.rank === rank) ?? false;
  }

  /** Whether a peer is in an older view; it is told what was decided, if it belongs. */
  private isPast(rank: number, generation: number): boolean {
    const { view } = this;
    if (!view || generation >= view.generation) return false;
    const member = this.neighbours.get(rank)?.member;
    if (view.members.some((each) => isSame(each, member))) {
      this.effects.send(rank, { t: "decide", view });
    }
    return true;
  }

  /** To a peer, or to this one itself. */
  private answer(rank: number, message: MessageOf<MembershipMessage>): void {
    if (rank === this.options.self.rank) this.received(rank, message);
    else this.effects.send(rank, message);
  }
}

// Who belongs to the cluster: a state machine without sockets, threads or clocks, so that the simulator
// runs the same code. Peers agree on a sequence of views; docs/cluster.md says what follows from it.
import { Acceptor } from "./acceptor.ts";
import { Assembly } from "./assembly.ts";
import { Campaign, type Ground } from "./campaign.ts";
import type { Standing } from "./candidacy.ts";
import type { MembershipEffects, MembershipMessage, MembershipOptions } from "./contract.ts";
import type { Hello, Message, MessageOf, Phase, Position } from "./messages.ts";
import { type Neighbour, Neighbours } from "./neighbours.ts";
import { isQuorum, isSame, type Member, ranksOf, type View } from "./view.ts";

type Handlers = {
  readonly [T in MembershipMessage]: (rank: number, message: MessageOf<T>) => void;
};

export class Membership {
  phase: Phase = "forming";
  view: View | undefined;
  private readonly neighbours = new Neighbours();
  private readonly acceptor = new Acceptor();
  private readonly campaign: Campaign;
  /** Members of the view that are held to be dead, and those that left in good order. */
  private readonly accused = new Set<number>();
  private readonly gone = new Set<number>();
  /** By rank, the last incarnation that left in good order: it comes back to no view. */
  private readonly left = new Map<number, number>();
  private readonly joiners = new Map<number, Standing>();
  private readonly assembly = new Assembly();
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
    promise: (rank, message) => this.campaign.promised(rank, message),
    reject: (_, message) => this.campaign.rejected(message),
    accept: (rank, message) => this.onAccept(rank, message),
    accepted: (rank, message) => this.campaign.accepted(rank, message),
    decide: (_, { view }) => this.onDecide(view),
    installed: (rank, { generation }) => this.onInstalled(rank, generation),
  };

  constructor(
    private readonly options: MembershipOptions,
    private readonly effects: MembershipEffects,
  ) {
    this.campaign = new Campaign(this.ground());
  }

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

  isMember(rank: number): boolean {
    return this.view?.members.some((member) => member.rank === rank) ?? false;
  }

  /** What a peer in reach said of itself last. */
  lastOf(rank: number): Neighbour | undefined {
    return this.neighbours.get(rank);
  }

  /** What heartbeats and greetings tell of this peer. */
  standing(): Pick<Hello, "generation" | "step" | "phase" | "members" | "installed"> {
    const { generation, phase, view, installed } = this;
    const { step } = this.effects.position();
    return { generation, step, phase, members: view ? ranksOf(view.members) : [], installed };
  }

  /** Whether this peer has the state: it has not while it fetches it. */
  get isWhole(): boolean {
    return this.has(this.options.self.rank);
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
    if (this.campaign.forms) this.campaign.end();
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
    this.campaign.remind();
    this.remindLeader();
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
    this.campaign.end();
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
      if (this.canForm()) this.campaign.stand(true);
      if (!this.mayDecide(this.live())) return;
      this.phase = "changing";
      this.since = this.now;
    }
    if (this.phase === "member" && this.leads && this.joiners.size > 0) this.beginChange();
    if (this.phase !== "changing") return;
    const live = this.live();
    if (!this.mayDecide(live)) this.suspend(live);
    else if (live[0] === this.options.self.rank) this.campaign.stand(false);
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
    if (!view || !live.some((rank) => this.has(rank))) return false;
    return effects.swap !== undefined || isQuorum(view, new Set(live), gone);
  }

  /** Whether a member has the state of the present view, as far as this one knows. */
  private has(rank: number): boolean {
    const { view, installed, assembly, options } = this;
    if (!view?.fetching.includes(rank)) return true;
    const { generation } = view;
    return rank === options.self.rank ? installed >= generation : assembly.has(rank, generation);
  }

  private suspend(live: readonly number[]): void {
    this.phase = "suspended";
    this.campaign.end();
    const all = this.view?.members.length ?? 0;
    const reach = `only ${live.length} of the last ${all} members are in reach`;
    const none = live.some((rank) => this.has(rank))
      ? ""
      : ", and none of them has the whole state";
    this.effects.suspended(`${reach}${none}`);
  }

  /** Tells the leader, who may not know, who is missed. */
  private remindLeader(): void {
    const { campaign, effects, generation } = this;
    const [leader] = this.live();
    if (campaign.isOpen || this.phase !== "changing" || leader === this.options.self.rank) return;
    effects.send(leader, { t: "suspect", generation, ranks: [...this.accused] });
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
      if (!isOwn) this.campaign.end();
      return this.position();
    });
    this.answer(rank, reply);
  }

  private onAccept(rank: number, message: MessageOf<"accept">): void {
    if (this.isPast(rank, message.generation)) return;
    this.answer(rank, this.acceptor.accept(message));
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
    this.campaign.end();
    this.accused.clear();
    this.gone.clear();
    for (const { rank } of view.members) this.joiners.delete(rank);
    this.effects.install(view);
    // Some of its members may have left before they heard of it.
    const departed = view.members.filter((each) => this.left.get(each.rank) === each.incarnation);
    for (const { rank } of departed) this.gone.add(rank);
    for (const { rank } of departed) this.accuse(rank);
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
    const member = this.neighbours.get(rank)?.member;
    if (member) this.left.set(rank, member.incarnation);
    this.unlinked(rank, reason);
  }

  private onJoin(
    rank: number,
    { generation, self: member, position, reach }: MessageOf<"join">,
  ): void {
    if (this.phase === "forming" || this.phase === "suspended") return;
    if (this.view?.members.some((each) => isSame(each, member))) {
      // It was taken in meanwhile; or else a member that asks to come in has given its place up.
      if (this.isPast(rank, generation)) return;
      this.accuse(rank);
    }
    // Everyone exchanges with everyone: one that does not reach all would only make them wait for it.
    const isOfUse = this.live().every((each) => each === rank || reach.includes(each));
    if (isOfUse) this.joiners.set(rank, { member, position });
    else this.joiners.delete(rank);
    this.reconsider();
  }

  private askToJoin(): void {
    const { self } = this.options;
    for (const { member, phase, generation } of this.neighbours.all) {
      if (phase !== "member" || generation <= this.generation) continue;
      const position = this.position();
      const { ranks: reach } = this.neighbours;
      const join = { t: "join", generation: this.generation, self, position, reach } as const;
      this.effects.send(member.rank, join);
    }
  }

  private position(): Position {
    const { installed, isWhole: whole } = this;
    return { ...this.effects.position(), installed, whole };
  }

  private needed(): number[] {
    const { self, size } = this.options;
    const { generation, view } = this;
    const own = { generation, members: view ? ranksOf(view.members) : [] };
    return this.neighbours.neededBeside(own, size).filter((rank) => rank !== self.rank);
  }

  /** Whether all are there, none is at work, and this is the one to propose the first view. */
  private canForm(): boolean {
    const { neighbours, options, campaign } = this;
    if (options.joining || campaign.isOpen || neighbours.areAtWork) return false;
    const { rank } = options.self;
    const isLowest = neighbours.all.every(({ member, joining }) => member.rank > rank || joining);
    return isLowest && this.missing().length === 0;
  }

  // ---- small things ----

  private ground(): Ground {
    const { options, acceptor, effects, gone, joiners } = this;
    const { rank } = options.self;
    return {
      ...{ rank, acceptor, effects, gone, joiners },
      electorate: (forms) =>
        (forms ? this.neighbours.ranks : this.live()).filter((each) => each !== rank),
      generation: (forms) =>
        forms ? Math.max(this.generation, this.neighbours.highestGeneration) : this.generation,
      view: () => this.view,
      isPatient: () => this.now - this.since >= options.patience,
      memberOf: (each) => this.memberOf(each),
      answer: (each, message) => this.answer(each, message),
      decided: (view) => this.announce(view),
    };
  }

  private memberOf(rank: number): Member {
    const { self } = this.options;
    const member = rank === self.rank ? self : this.neighbours.get(rank)?.member;
    if (!member) throw new Error(`membership: rank ${rank} is not known`);
    return member;
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

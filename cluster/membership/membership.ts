// Who belongs to the cluster: a state machine without sockets, threads or clocks, so that the simulator
// runs the same code. Peers agree on a sequence of views; docs/cluster.md says what follows from it.
import { Acceptor } from "./acceptor.ts";
import { Campaign, type Ground } from "./campaign.ts";
import type { MembershipEffects, MembershipMessage, MembershipOptions } from "./contract.ts";
import {
  awaitedRanks,
  knowsBetter,
  lastGeneration,
  mayForm,
  missingRanks,
  type Past,
} from "./formation.ts";
import { Joiners } from "./joiners.ts";
import { KnownViews } from "./known_views.ts";
import type { Hello, Message, MessageOf, Phase, Position } from "./messages.ts";
import { type Neighbour, Neighbours } from "./neighbours.ts";
import { Reach } from "./reach.ts";
import { Suspicions } from "./suspicions.ts";
import { isSame, type Member, ranksOf, type View } from "./view.ts";

type Handlers = {
  readonly [T in MembershipMessage]: (rank: number, message: MessageOf<T>) => void;
};

export class Membership {
  phase: Phase = "forming";
  private readonly views: KnownViews;
  private readonly neighbours = new Neighbours();
  private readonly acceptor = new Acceptor();
  private readonly campaign: Campaign;
  private readonly suspicions = new Suspicions();
  private readonly joiners = new Joiners();
  private readonly reach: Reach;
  private since = 0;
  private now = 0;

  private readonly handlers: Handlers = {
    beat: (rank, message) => this.onBeat(rank, message),
    leave: (rank, message) => this.onLeave(rank, message),
    suspect: (rank, message) => this.onSuspect(rank, message),
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
    this.views = new KnownViews(options.self);
    const { views, neighbours, suspicions } = this;
    const { rank: self } = options.self;
    const hasRegister = effects.swap !== undefined;
    this.reach = new Reach({ self, views, neighbours, suspicions, hasRegister });
    this.campaign = new Campaign(this.ground());
  }

  /** The last view that this peer was in. */
  get view(): View | undefined {
    return this.views.own;
  }

  get generation(): number {
    return this.views.generation;
  }

  /** The lowest rank of the view: writes checkpoints, logs, proposes changes. */
  get leads(): boolean {
    return this.view?.members[0].rank === this.options.self.rank;
  }

  /** Ranks that are awaited before a first view. */
  missing(): number[] {
    return missingRanks(this.past);
  }

  isMember(rank: number): boolean {
    return this.views.isMember(rank);
  }

  /** What a peer in reach said of itself last. */
  lastSaidBy(rank: number): Neighbour | undefined {
    return this.neighbours.get(rank);
  }

  /** What heartbeats and greetings tell of this peer. */
  standing(): Pick<Hello, "generation" | "step" | "phase" | "members" | "installed"> {
    const { generation, phase, view } = this;
    const { installed } = this.views;
    const { step } = this.effects.position();
    return { generation, step, phase, members: view ? ranksOf(view.members) : [], installed };
  }

  /** Whether this peer has the state: it has not while it fetches it. */
  get isWhole(): boolean {
    return this.views.has(this.options.self.rank);
  }

  /** A connection to a peer is open and its hello fits. */
  linked(hello: Hello): void {
    const { rank } = hello.self;
    this.neighbours.add(hello);
    const known = this.view?.members.find((each) => each.rank === rank);
    // It was started again: whoever had the rank before is dead.
    if (known && !isSame(known, hello.self)) this.accuse(rank);
    // Its connection was broken, and it was not.
    if (isSame(known, hello.self) && this.suspicions.acquit(rank))
      this.tellMissed(this.reach.all());
    this.reconsider();
  }

  /** The connection is gone, or nothing was heard for too long. */
  unlinked(rank: number, reason: string): void {
    this.part(rank, `lost rank ${rank}: ${reason}`);
  }

  private part(rank: number, line: string): void {
    if (!this.neighbours.remove(rank)) return;
    this.joiners.remove(rank);
    this.suspicions.silence(rank);
    if (this.campaign.forms) this.campaign.end();
    if (!this.isMember(rank)) return;
    this.effects.say(line);
    this.accuse(rank);
    this.reconsider();
    this.tellMissed(this.reach.all());
  }

  /** Time passes: to be called a few times per second. @param now milliseconds, from any origin. */
  tick(now: number): void {
    this.now = now;
    if (this.phase === "member" && now - this.since > this.options.patience) {
      const inReach = new Set(this.reach.all());
      for (const { rank } of this.view?.members ?? []) if (!inReach.has(rank)) this.accuse(rank);
    }
    this.reconsider();
    if (this.phase === "member") return;
    this.askToJoin();
    this.campaign.remind();
    if (!this.campaign.isOpen) this.tellMissed(this.reach.live().slice(0, 1));
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
    this.views.installed = generation;
    for (const { rank } of view.members) this.answer(rank, { t: "installed", generation });
  }

  /** A member must be dead, for a reason that only the exchange may know. */
  accuse(rank: number): void {
    if (!this.isMember(rank) || !this.suspicions.accuse(rank)) return;
    this.campaign.end();
    this.beginChange();
  }

  /** What this peer says when it goes away in good order. */
  farewell(reason: string): MessageOf<"leave"> {
    const { generation, acceptor } = this;
    return { t: "leave", reason, generation, voted: acceptor.lastAccepted };
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
      if (!this.reach.mayDecide(this.reach.live())) {
        if (mayForm(this.past)) this.campaign.stand(true);
        else if (this.campaign.forms) this.campaign.end();
        return;
      }
      this.phase = "changing";
      this.since = this.now;
    }
    if (this.phase === "member" && this.leads && this.joiners.waiting.size > 0) this.beginChange();
    if (this.phase !== "changing") return;
    const live = this.reach.live();
    if (!this.reach.mayDecide(live)) this.suspend(live);
    else if (live[0] === this.options.self.rank) this.campaign.stand(false);
  }

  private suspend(live: readonly number[]): void {
    this.phase = "suspended";
    this.campaign.end();
    this.effects.suspended(this.reach.whyNot(live));
  }

  /** Tells members, who may not know, who is missed, or is not missed any more. */
  private tellMissed(to: readonly number[]): void {
    const { effects, generation, suspicions, phase, options } = this;
    if (phase !== "changing") return;
    const { missed: ranks, gone } = suspicions;
    for (const rank of to) {
      if (rank === options.self.rank) continue;
      effects.send(rank, { t: "suspect", generation, ranks, gone: [...gone] });
    }
  }

  private onSuspect(rank: number, { generation, ranks, gone }: MessageOf<"suspect">): void {
    if (generation !== this.generation || !this.isMember(rank)) return;
    if (this.views.isOutside) {
      this.tellOutside(rank);
      return;
    }
    const isFirst = this.phase === "member";
    this.beginChange();
    const { rank: own } = this.options.self;
    const missed = ranks.filter((each) => each !== own);
    if (!this.suspicions.hear(rank, missed, gone) && !isFirst) return;
    // It may have been standing for a view with somebody who is missed.
    this.campaign.end();
    this.reconsider();
  }

  private onPrepare(rank: number, message: MessageOf<"prepare">): void {
    if (this.isPast(rank, message.generation)) return;
    if (message.forms && knowsBetter(this.past, message.generation, message.forms)) {
      this.tellOutside(rank);
      return;
    }
    const isOwn = rank === this.options.self.rank;
    const reply = this.acceptor.prepare(message, () => {
      // Whoever promises has stopped: it makes no update of this view any more.
      this.beginChange();
      if (!isOwn) this.campaign.end();
      return { position: this.position(), last: this.views.lastOf(message.generation) };
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
    if (this.view || !this.effects.swap) return;
    const [ranks, awaited] = [ranksOf(view.members), awaitedRanks(this.past)];
    this.effects.say(
      `the register knows of ranks ${ranks.join(", ")}, of an earlier run; awaited are ${awaited.join(", ")}`,
    );
  }

  private onDecide(view: View): void {
    if (view.generation >= this.generation) this.effects.learn(view.members);
    // If this peer was asked about a later one, what followed this one was decided long ago.
    if (!this.views.isNews(view) || this.acceptor.knowsLater(view.generation)) return;
    this.views.own = view;
    this.phase = "member";
    this.since = this.now;
    this.campaign.end();
    this.suspicions.clear();
    this.acceptor.forget(view.generation);
    this.joiners.settle(view);
    this.effects.install(view);
    // Some of its members may have left before they heard of it.
    for (const rank of this.suspicions.discount(view)) this.accuse(rank);
    this.checkAssembled();
  }

  private onInstalled(rank: number, generation: number): void {
    this.views.assembly.add(rank, generation);
    this.checkAssembled();
  }

  private checkAssembled(): void {
    const { view, phase, views } = this;
    if (view && phase === "member" && views.assembly.isComplete(view)) this.effects.assembled(view);
  }

  // ---- coming and going ----

  private onBeat(rank: number, beat: MessageOf<"beat">): void {
    this.neighbours.heard(rank, beat);
    // Said again, for what was said before there was a connection.
    this.onInstalled(rank, beat.installed);
    this.isPast(rank, beat.generation);
  }

  private onLeave(rank: number, { reason, ...departure }: MessageOf<"leave">): void {
    const { suspicions, view } = this;
    const member = this.neighbours.get(rank)?.member;
    if (member) suspicions.left.set(rank, { member, ...departure });
    if (view) suspicions.discount(view);
    this.part(rank, `rank ${rank} has left: ${reason}`);
  }

  private onJoin(rank: number, join: MessageOf<"join">): void {
    const { generation, self: member } = join;
    if (this.phase === "forming" || this.phase === "suspended") return;
    if (this.view?.members.some((each) => isSame(each, member))) {
      // It was taken in meanwhile; or else a member that asks to come in has given its place up.
      if (this.isPast(rank, generation)) return;
      this.accuse(rank);
    }
    const { view, leads, effects } = this;
    if (!view) return;
    if (this.joiners.admit(rank, join, view)) this.reconsider();
    // It may not know where the others are.
    else if (leads) effects.send(rank, { t: "decide", view });
  }

  private askToJoin(): void {
    const { self } = this.options;
    for (const { member, phase, generation } of this.neighbours.all) {
      if (phase !== "member" || generation <= this.generation) continue;
      const position = this.position();
      const reaches = this.neighbours.ranks;
      const join = { t: "join", generation: this.generation, self, position, reaches } as const;
      this.effects.send(member.rank, join);
    }
  }

  private tellOutside(rank: number): void {
    const { outside: view } = this.views;
    if (view) this.effects.send(rank, { t: "decide", view });
  }

  private position(): Position {
    const { installed } = this.views;
    return { ...this.effects.position(), installed, whole: this.isWhole };
  }

  private get past(): Past {
    const { options, neighbours, views } = this;
    return { options, neighbours, view: views.own, outside: views.outside };
  }

  // ---- small things ----

  private ground(): Ground {
    const { options, acceptor, effects, joiners, suspicions } = this;
    const { rank } = options.self;
    const { gone } = suspicions;
    return {
      ...{ rank, acceptor, effects, gone, joiners: joiners.waiting },
      electorate: (forms) =>
        (forms ? this.neighbours.ranks : this.reach.live()).filter((each) => each !== rank),
      // One that has come later may count others than the run began with.
      size: (forms) =>
        forms && !options.joining ? options.size : (this.view?.size ?? options.size),
      generation: (forms) => (forms ? lastGeneration(this.past) : this.generation),
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

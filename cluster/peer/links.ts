// The connections of one peer: dials those it misses, greets, hears heartbeats, notices silence.
import type { Hello, Message } from "../membership/messages.ts";
import type { Member } from "../membership/view.ts";
import {
  type Address,
  ConnectError,
  type Connection,
  type Receiver,
  type Transport,
} from "../transport/transport.ts";
import { endedEarly } from "../transport/until_proven.ts";
import type { DataHeader } from "../wire/frame.ts";
import { cutText } from "../wire/text_parts.ts";
import { Link, type LinkEvents } from "./link.ts";

export interface LinksOptions {
  readonly transport: Transport;
  readonly self: Member;
  /** Where peers were found, by rank; those who come from elsewhere tell. */
  readonly addresses: Map<number, Address>;
  /** Milliseconds after which a silent peer is held to be dead. */
  readonly patience: number;
  readonly greeting: () => Hello;
  /** Why a peer cannot be one of ours, if it cannot. */
  readonly objection: (hello: Hello) => string | undefined;
}

export interface LinksEvents {
  linked(hello: Hello): void;
  unlinked(rank: number, reason: string): void;
  message(rank: number, message: Message): void;
  place(rank: number, header: DataHeader, bytes: number): Uint8Array | undefined;
  arrived(rank: number, header: DataHeader, payload: Uint8Array): void;
  /** What the job's state is, for who asks. */
  report(): string;
  /** A mistake of this peer or of another that waiting does not mend. */
  fatal(reason: string): void;
  say(line: string): void;
}

/** Milliseconds between two attempts to reach a peer, and before the lower of two ranks dials, too. */
const REDIAL = 500;
const LOWER_WAITS = 3000;

/** Connections that others opened and that have not greeted; of more the one that waits longest goes. */
const MAX_GREETING = 64;

/** Milliseconds beyond its patience after which a peer is sure that one who is still there is alive. */
const RIVAL_WAITS = 2000;

/** Milliseconds for which a refused connection stays open. */
const REFUSAL_LINGERS = 500;

export class Links implements LinkEvents {
  private readonly byRank = new Map<number, Link>();
  /** Connections on which nobody has greeted yet, and since when, the oldest first. */
  private readonly greeting = new Map<Link, number>();
  private readonly heard = new Map<Link, { bytes: number; at: number }>();
  /** Those that are dialled, until they greet: one who does not answer is not dialled twice. */
  private readonly dialling = new Map<number, Link>();
  private readonly lastDial = new Map<number, number>();
  private readonly trouble = new Map<number, string>();
  /** Processes that were refused because another one has their rank, and since when. */
  private readonly rivals = new Map<number, { incarnation: number; since: number }>();
  /** Those on which a runtime reads into a payload's place, though that goes nowhere now. */
  private readonly writing = new Set<Link>();
  private untouched: (() => void)[] = [];
  private began: number | undefined;
  private lastTick = 0;
  private isClosed = false;

  constructor(
    private readonly options: LinksOptions,
    private readonly events: LinksEvents,
  ) {}

  /** Takes a connection that somebody else opened. */
  readonly accept = (connection: Connection): Receiver => {
    const link = new Link(this, undefined);
    this.turnOut();
    this.greeting.set(link, this.lastTick);
    // Who listens greets second, so that a stranger learns nothing.
    link.open(connection, undefined);
    return link.receiver;
  };

  get ranks(): number[] {
    return [...this.byRank.keys()];
  }

  linkTo(rank: number): Link | undefined {
    return this.byRank.get(rank);
  }

  /** When something was heard of a peer, by the clock of the ticks. */
  lastHeard(rank: number): number | undefined {
    const link = this.byRank.get(rank);
    return link && this.heard.get(link)?.at;
  }

  /** The last reason why a peer could not be reached. */
  troubleWith(rank: number): string | undefined {
    return this.trouble.get(rank);
  }

  send(rank: number, message: Message): void {
    this.byRank.get(rank)?.send(message);
  }

  /** @param beat the heartbeat to send. @param now milliseconds. */
  tick(now: number, beat: Message): void {
    const { patience } = this.options;
    this.began ??= now;
    // After a long sleep of this process it is not the others who were silent.
    const slept = now - this.lastTick > patience / 2;
    this.lastTick = now;
    for (const [rank, link] of [...this.byRank]) {
      const known = this.heard.get(link);
      const { received } = link.traffic;
      if (slept || known?.bytes !== received) this.heard.set(link, { bytes: received, at: now });
      else if (now - known.at > patience) {
        this.drop(rank, link, `silent for ${((now - known.at) / 1000).toFixed(1)} s`);
        continue;
      }
      link.send(beat);
    }
    for (const [link, since] of this.greeting) {
      if (now - since > patience) this.giveUp(link, `no greeting within ${patience / 1000} s`);
    }
    for (const rank of this.options.addresses.keys()) this.dialIfDue(rank, now);
  }

  /** Ends the connection to a peer. */
  drop(rank: number, link: Link, reason: string): void {
    if (this.byRank.get(rank) !== link) return;
    this.byRank.delete(rank);
    this.heard.delete(link);
    link.close();
    this.divertOne(link);
    this.events.unlinked(rank, reason);
  }

  dropData(): void {
    for (const link of this.byRank.values()) link.dropData();
  }

  /**
   * The memory of the exchange is about to be used for something else: payloads under way go nowhere.
   * What a runtime is reading just now still lands where it was to go: see `whenUntouched`.
   */
  divert(): void {
    for (const link of this.byRank.values()) this.divertOne(link);
  }

  /** Ends connections that may still write into memory of the exchange, but to these ranks. */
  cutOff(members: readonly number[]): void {
    for (const [rank, link] of [...this.byRank]) {
      if (this.writing.has(link) && !members.includes(rank)) {
        this.drop(rank, link, "it is no member now");
      }
    }
  }

  /** Does something once nothing writes any more where payloads went that were diverted: perhaps now. */
  whenUntouched(action: () => void): void {
    this.untouched.push(action);
    this.checkUntouched();
  }

  close(): void {
    this.isClosed = true;
    for (const link of [...this.byRank.values(), ...this.greeting.keys()]) link.close();
  }

  // ---- LinkEvents ----

  greeted(link: Link, hello: Hello): void {
    this.hasGreeted(link);
    const { self } = hello;
    const { rank } = self;
    const objection = this.options.objection(hello);
    const present = this.byRank.get(rank);
    if (objection !== undefined) {
      this.refuse(link, `rank ${this.options.self.rank} refuses rank ${rank}: ${objection}`, true);
      this.events.fatal(`rank ${rank} (${link.remote}) cannot be a peer: ${objection}`);
      return;
    }
    if (present?.peer && present.peer.self.incarnation !== self.incarnation) {
      this.refuseRival(link, self, present.peer.self);
      return;
    }
    if (present) {
      // Two connections that crossed, or one that the other side has given up: both sides keep the one
      // that the higher rank dialled.
      if ((link.dialled === undefined) !== rank > this.options.self.rank) {
        link.close();
        return;
      }
      this.drop(rank, present, "it has connected anew");
    }
    if (link.dialled === undefined) link.send(this.options.greeting());
    this.byRank.set(rank, link);
    this.heard.set(link, { bytes: link.traffic.received, at: this.lastTick });
    this.options.addresses.set(rank, { host: self.host, port: self.port });
    this.trouble.delete(rank);
    link.offerMemory();
    this.events.linked(hello);
  }

  asked(link: Link): void {
    this.hasGreeted(link);
    for (const part of cutText(this.events.report())) link.send({ t: "report", ...part });
    setTimeout(() => link.close(), REFUSAL_LINGERS);
  }

  refused(link: Link, reason: string, fatal: boolean): void {
    const rank = this.rankOf(link);
    if (rank !== undefined) this.trouble.set(rank, reason);
    link.close();
    this.hasGreeted(link);
    if (fatal) this.events.fatal(reason);
  }

  unreadable(link: Link, reason: string): void {
    const whose = `memory of rank ${link.peer?.self.rank}, on this machine`;
    this.events.say(`the ${whose}, may not be read (${reason}): its gradients come by socket`);
  }

  message(link: Link, message: Message): void {
    const rank = link.peer?.self.rank;
    if (rank !== undefined && this.byRank.get(rank) === link) this.events.message(rank, message);
  }

  place(link: Link, header: DataHeader, bytes: number): Uint8Array | undefined {
    const rank = link.peer?.self.rank ?? -1;
    return this.byRank.get(rank) === link ? this.events.place(rank, header, bytes) : undefined;
  }

  arrived(link: Link, header: DataHeader, payload: Uint8Array): void {
    const rank = link.peer?.self.rank ?? -1;
    if (this.byRank.get(rank) === link) this.events.arrived(rank, header, payload);
  }

  ended(link: Link, reason: string): void {
    this.hasGreeted(link);
    const rank = this.rankOf(link);
    if (rank === undefined) return;
    const address = this.options.addresses.get(rank);
    if (link.peer) this.drop(rank, link, reason);
    else if (address && !this.byRank.has(rank)) {
      this.trouble.set(rank, endedEarly(address, reason).message);
    }
  }

  // ---- memory of the exchange ----

  private divertOne(link: Link): void {
    this.writing.add(link);
    link.divert(() => {
      this.writing.delete(link);
      this.checkUntouched();
    });
  }

  private checkUntouched(): void {
    if (this.writing.size > 0) return;
    const actions = this.untouched;
    this.untouched = [];
    for (const action of actions) action();
  }

  // ---- before a greeting ----

  private hasGreeted(link: Link): void {
    this.greeting.delete(link);
    for (const [rank, dialled] of this.dialling) if (dialled === link) this.dialling.delete(rank);
  }

  private giveUp(link: Link, reason: string): void {
    const rank = this.rankOf(link);
    if (rank !== undefined) this.trouble.set(rank, reason);
    link.close();
    this.hasGreeted(link);
  }

  private turnOut(): void {
    const strangers = [...this.greeting.keys()].filter(({ dialled }) => dialled === undefined);
    if (strangers.length >= MAX_GREETING) this.giveUp(strangers[0], "others wait, too");
  }

  // ---- dialling ----

  private rankOf(link: Link): number | undefined {
    if (link.peer) return link.peer.self.rank;
    const { addresses } = this.options;
    const found = [...addresses].find(([, { host, port }]) => `${host}:${port}` === link.dialled);
    return found?.[0];
  }

  private refuse(link: Link, reason: string, fatal: boolean): void {
    link.send({ t: "refuse", reason, fatal });
    // Closed at once, with bytes of the other side unread, the message might be lost on its way.
    setTimeout(() => link.close(), REFUSAL_LINGERS);
  }

  /**
   * A rank is there already. One that died without a word is dropped once it has been silent for too long,
   * and its successor comes in; so if it is still there after that, two processes live under one rank.
   */
  private refuseRival(link: Link, { rank, incarnation }: Member, { host, port }: Member): void {
    const known = this.rivals.get(rank);
    const rival =
      known?.incarnation === incarnation ? known : { incarnation, since: this.lastTick };
    this.rivals.set(rank, rival);
    const isAlive = this.lastTick - rival.since > this.options.patience + RIVAL_WAITS;
    const reason = `rank ${rank} is already here, from ${host}:${port}`;
    const remedy = "end that process, or give each a --rank of its own";
    this.refuse(link, isAlive ? `${reason}; ${remedy}` : reason, isAlive);
  }

  /** The higher of two ranks dials; the lower one does too if it has waited in vain: it may have moved. */
  private dialIfDue(rank: number, now: number): void {
    const { self, addresses } = this.options;
    const address = addresses.get(rank);
    if (this.isClosed || !address || rank === self.rank || this.byRank.has(rank)) return;
    if (this.dialling.has(rank)) return;
    if (rank > self.rank && now - (this.began ?? now) < LOWER_WAITS) return;
    if (now - (this.lastDial.get(rank) ?? Number.NEGATIVE_INFINITY) < REDIAL) return;
    this.lastDial.set(rank, now);
    const link = new Link(this, `${address.host}:${address.port}`);
    this.dialling.set(rank, link);
    void this.dial(rank, address, link);
  }

  private async dial(rank: number, address: Address, link: Link): Promise<void> {
    try {
      await this.options.transport.connect(address, (connection) => {
        this.greeting.set(link, this.lastTick);
        link.open(connection, this.options.greeting());
        return link.receiver;
      });
    } catch (error) {
      const { message } = error as Error;
      this.hasGreeted(link);
      this.trouble.set(rank, message);
      if (error instanceof ConnectError && error.permanent) this.events.fatal(message);
    }
  }
}

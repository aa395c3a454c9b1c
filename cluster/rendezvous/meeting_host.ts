// The host of a meeting over TCP: in the process of rank 0, until that process ends. It collects peers until
// all have come, tells each all addresses, and then tells them to those that are started anew.
//
// A peer keeps its connection, so the host knows who lives. A rank whose process lives is not given to
// another; one whose process is gone is the newcomer's who asks for it, or, after a pause in which a
// connection that broke could come back, anyone's. A host that is started anew itself learns the roster
// from the first peer that comes back.
import { createServer, type Server, type Socket } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import type { Address } from "../transport/transport.ts";
import { type Guest, rankTaken, type TurnedAway } from "./guests.ts";
import { JsonLines } from "./json_lines.ts";
import {
  type Hello,
  hello as helloSchema,
  here,
  maxLine,
  type Seeker,
  type ToPeer,
} from "./meeting_messages.ts";

/** Time for a connection's first line. */
const HELLO_MILLISECONDS = 3000;

/** Connections that have not said anything yet. */
const MAX_STRANGERS = 64;

interface Member extends Guest {
  readonly process: string;
  readonly line: JsonLines | undefined;
  /** When its connection was over. */
  readonly goneAt: number;
}

export interface HostedJob {
  readonly job: string;
  readonly size: number;
  /** Milliseconds for a peer to say that it lives, and to come back once its connection is over. */
  readonly grace: number;
  readonly turnedAway: TurnedAway;
}

export class MeetingHost {
  /** By the name that the process drew. */
  private readonly members = new Map<string, Member>();
  private readonly open = new Set<JsonLines>();
  /** Of these, who has not said anything yet; the oldest first. */
  private readonly strangers = new Set<JsonLines>();
  /** Who asks for a rank while all are taken. */
  private readonly queue = new Map<JsonLines, Seeker>();
  private readonly answers = new Map<JsonLines, () => void>();
  private readonly timers = new Set<NodeJS.Timeout>();
  /** Every rank has a member. */
  private isFormed = false;
  /** And their addresses are certain. */
  private isSettled = false;

  private constructor(
    private readonly server: Server,
    private readonly hosted: HostedJob,
  ) {
    server.on("connection", (socket) => this.connected(socket));
  }

  /** Listens. @throws the runtime's error, with its code, if it cannot. */
  static listen(address: Address, hosted: HostedJob): Promise<MeetingHost> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once("error", reject);
      server.listen(address.port, address.host, () => {
        server.off("error", reject);
        server.on("error", () => undefined); // one connection that failed to be accepted
        server.unref();
        resolve(new MeetingHost(server, hosted));
      });
    });
  }

  close(): void {
    this.server.close();
    for (const timer of this.timers) clearTimeout(timer);
    for (const line of [...this.open]) line.close();
  }

  private connected(socket: Socket): void {
    let guest: Hello | undefined;
    const line = new JsonLines(socket, maxLine(this.hosted.size), {
      line: (value) => {
        if (guest) this.answered(line, value);
        else {
          this.strangers.delete(line);
          guest = this.welcome(line, value);
        }
      },
      closed: () => {
        this.open.delete(line);
        this.strangers.delete(line);
        this.queue.delete(line);
        if (guest) this.gone(guest.process, line);
      },
    });
    this.open.add(line);
    this.strangers.add(line);
    line.unref();
    this.makeRoom();
    this.later(HELLO_MILLISECONDS, () => {
      if (!guest) line.close();
    });
  }

  /** Each peer has one connection, or two while it comes back. A stranger too many costs the oldest one. */
  private makeRoom(): void {
    const [oldest] = this.strangers;
    if (
      this.strangers.size > MAX_STRANGERS ||
      this.open.size > 4 * this.hosted.size + MAX_STRANGERS
    ) {
      oldest?.close();
    }
  }

  private answered(line: JsonLines, value: unknown): void {
    here.parse(value);
    const answer = this.answers.get(line);
    if (!answer) throw new Error("nobody asked");
    answer();
  }

  private welcome(line: JsonLines, value: unknown): Hello | undefined {
    const { success, data: guest } = helloSchema.safeParse(value);
    const problem = success ? this.mismatch(guest) : "another version of weft listens there";
    if (problem !== undefined || !success) {
      const remedy = "start all peers with the same settings, and another job at another place";
      if (success) this.hosted.turnedAway.add(guest.address, problem ?? "");
      line.sendLast({ kind: "refused", problem: problem ?? "", remedy } satisfies ToPeer);
      return undefined;
    }
    this.adopt(guest);
    this.claim(guest, line);
    return guest;
  }

  private mismatch({ job, size, rank = 0, roster }: Hello): string | undefined {
    if (job !== this.hosted.job) {
      return `the peers that meet there are those of job ${this.hosted.job}, not ${job}`;
    }
    if (size !== this.hosted.size || (roster && roster.length !== size) || rank >= size) {
      return `${this.hosted.size} peers meet there, but this one expects ${size}`;
    }
    return undefined;
  }

  /** Takes over what an earlier host has told. Whoever does not come back is gone. */
  private adopt({ roster }: Hello): void {
    if (!roster || this.isFormed) return;
    for (const [rank, address] of roster.entries()) {
      if (this.memberOf(rank)) continue;
      const process = `rank ${rank} before`;
      const goneAt = performance.now();
      this.members.set(process, { process, rank, address, line: undefined, goneAt });
    }
    this.isFormed = true;
    for (const { process, rank, address, line } of this.members.values()) {
      if (rank !== undefined || !line) continue;
      this.members.delete(process);
      this.queue.set(line, { process, address });
    }
    // Others may come back with addresses that are newer than what this one knew.
    this.later(this.hosted.grace + 1, () => {
      this.settle();
      this.seatQueue();
    });
  }

  /** Seats a guest, unless the rank that it claims is a living process's. */
  private claim(guest: Seeker, line: JsonLines): void {
    const rival = guest.rank === undefined ? undefined : this.memberOf(guest.rank);
    if (rival?.line && rival.process !== guest.process) void this.contest(guest, line, rival);
    else this.seat(guest, line);
  }

  /** Two claim one rank. The one that has it keeps it if it answers. */
  private async contest(guest: Seeker, line: JsonLines, rival: Member): Promise<void> {
    if (await this.lives(rival)) {
      const { problem, remedy } = rankTaken("", rival.rank ?? 0, rival.address).detail;
      this.hosted.turnedAway.add(guest.address, problem);
      line.sendLast({ kind: "refused", problem, remedy } satisfies ToPeer);
    } else if (this.open.has(line)) {
      rival.line?.close();
      this.claim(guest, line); // somebody else may have come meanwhile
    }
  }

  private lives({ line }: Member): Promise<boolean> {
    return new Promise((resolve) => {
      if (!line || !this.open.has(line)) return resolve(false);
      const earlier = this.answers.get(line);
      const done = (isAlive: boolean): void => {
        this.answers.delete(line);
        resolve(isAlive);
      };
      this.answers.set(line, () => {
        earlier?.();
        done(true);
      });
      this.later(this.hosted.grace, () => done(false));
      line.send({ kind: "alive" } satisfies ToPeer);
    });
  }

  /** Gives a guest its place: its own, that of the process before it, or one that is free. */
  private seat(guest: Seeker, line: JsonLines): void {
    const before = this.members.get(guest.process);
    before?.line?.close();
    const rank = guest.rank ?? before?.rank ?? this.freeRank();
    if (rank === undefined && this.isFormed) {
      this.queue.set(line, guest);
      line.send({ kind: "wait", here: this.here() } satisfies ToPeer);
      return;
    }
    const predecessor = rank === undefined ? undefined : this.memberOf(rank);
    if (predecessor) this.members.delete(predecessor.process);
    const { process, address } = guest;
    this.members.set(process, { process, rank, address, line, goneAt: 0 });
    if (this.isSettled) this.tell(line, rank ?? 0);
    else if (this.isFormed) this.settleIfBack();
    else if (this.members.size === this.hosted.size) this.form();
    else this.tellWho();
  }

  /** After the formation: the rank of a process that has been gone for some time. */
  private freeRank(): number | undefined {
    if (!this.isFormed) return undefined;
    const since = performance.now() - this.hosted.grace;
    return [...this.members.values()].find((member) => !member.line && member.goneAt <= since)
      ?.rank;
  }

  /** All have come: who has no rank gets the lowest that is left, in the order of coming. */
  private form(): void {
    const taken = new Set([...this.members.values()].map(({ rank }) => rank));
    const free = Array.from({ length: this.hosted.size }, (_, rank) => rank).filter(
      (rank) => !taken.has(rank),
    );
    for (const [process, member] of this.members) {
      this.members.set(process, { ...member, rank: member.rank ?? free.shift() });
    }
    this.isFormed = true;
    this.settle();
  }

  private settleIfBack(): void {
    if ([...this.members.values()].every(({ line }) => line)) this.settle();
  }

  private settle(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    for (const { line, rank } of this.members.values()) {
      if (line) this.tell(line, rank ?? 0);
    }
  }

  private tell(line: JsonLines, rank: number): void {
    const members = [...this.members.values()].sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
    const addresses = members.map(({ address }) => address);
    line.send({ kind: "roster", rank, addresses } satisfies ToPeer);
  }

  private tellWho(): void {
    const here = this.here();
    for (const { line } of this.members.values())
      line?.send({ kind: "wait", here } satisfies ToPeer);
  }

  private here(): Guest[] {
    return [...this.members.values()].map(({ rank, address }) => ({ rank, address }));
  }

  private memberOf(rank: number): Member | undefined {
    return [...this.members.values()].find((member) => member.rank === rank);
  }

  private gone(process: string, line: JsonLines): void {
    const member = this.members.get(process);
    if (member?.line !== line) return; // it has come back by another connection
    if (!this.isFormed) {
      this.members.delete(process);
      this.tellWho();
      return;
    }
    this.members.set(process, { ...member, line: undefined, goneAt: performance.now() });
    this.later(this.hosted.grace + 1, () => this.seatQueue());
  }

  private seatQueue(): void {
    const waiting = [...this.queue];
    this.queue.clear();
    for (const [line, guest] of waiting) this.seat(guest, line);
  }

  private later(milliseconds: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, milliseconds);
    timer.unref();
    this.timers.add(timer);
  }
}

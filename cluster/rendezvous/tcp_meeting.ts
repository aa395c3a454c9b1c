// A meeting over TCP, as its peers see it. Rank 0 is host and peer at once; where ranks are yet to be given
// out, whoever can listen at the address is the host.
import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import { TemporaryFailure } from "../../src/config/temporary_failure.ts";
import { UserError } from "../../src/config/user_error.ts";
import { errorCode } from "../fence/error_code.ts";
import { addressText } from "../transport/address_text.ts";
import { reasonOf } from "../transport/failures.ts";
import type { Address } from "../transport/transport.ts";
import { type Guest, missingText, notAllCame, TurnedAway } from "./guests.ts";
import { JsonLines } from "./json_lines.ts";
import { MeetingHost } from "./meeting_host.ts";
import { type Hello, maxLine, toPeer } from "./meeting_messages.ts";
import { isLoopback, isOfThisMachine, isUnspecified, outwardHost } from "./own_host.ts";
import type { Patience } from "./patience.ts";
import type { Roster, Say } from "./roster.ts";
import type { World } from "./world.ts";

/** Between attempts to reach the host, at first and at most. */
const PAUSES = { first: 100, most: 1000 };

/** So long after the host's end, what it has said of the others may still be told. */
const RECENT_MILLISECONDS = 2000;

/** How long another process that is about to end may still hold the host's port. */
const PORT_MILLISECONDS = 3000;

export async function meetOverTcp(
  world: World,
  address: Address,
  own: Address,
  patience: Patience,
  say: Say,
): Promise<Roster> {
  const place = `the meeting at ${addressText(address)}`;
  const turnedAway = new TurnedAway((text) => say(`${place}: ${text}`));
  const host = await becomeHost(world, address, place, patience, turnedAway);
  // The host's own peer takes a way that surely leads to it, and the address that leads the others to it.
  const known = isUnspecified(own.host) ? (host ? address.host : undefined) : own.host;
  const peer = new TcpPeer({
    world,
    place,
    host: host ? await ownWay(address) : address,
    isAbroad: !isLoopback(address.host),
    own: { host: known, port: own.port },
    ...{ say, turnedAway },
    backAfter: patience.grace / 2,
  });
  const close = (): void => {
    peer.close();
    host?.close();
  };
  try {
    return { ...(await peer.meet(patience)), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Listens, if that is for this process to do. */
async function becomeHost(
  { rank, size, job }: World,
  address: Address,
  place: string,
  patience: Patience,
  turnedAway: TurnedAway,
): Promise<MeetingHost | undefined> {
  if (rank === undefined ? !(await isOfThisMachine(address.host)) : rank !== 0) return undefined;
  const listenHere = async (): Promise<MeetingHost> => {
    const hosted = { job, size, grace: patience.grace, turnedAway };
    try {
      return await MeetingHost.listen({ ...address, host: await listenHost(address.host) }, hosted);
    } catch (error) {
      // A machine without IPv6.
      if (errorCode(error) === "EADDRINUSE" || isIP(address.host)) throw error;
      return await MeetingHost.listen({ ...address, host: "0.0.0.0" }, hosted);
    }
  };
  for (const end = patience.left - PORT_MILLISECONDS; ; await patience.pause(250)) {
    try {
      return await listenHere();
    } catch (error) {
      const isTaken = errorCode(error) === "EADDRINUSE";
      if (isTaken && rank === undefined) return undefined; // its host is another process of this machine
      if (!isTaken || patience.left <= Math.max(0, end)) throw cannotListen(place, error, isTaken);
    }
  }
}

function cannotListen(place: string, error: unknown, isTaken: boolean): UserError {
  return new UserError({
    place,
    problem: isTaken
      ? "another process listens there already"
      : `cannot listen there (${errorCode(error) ?? String(error)})`,
    remedy: isTaken
      ? "start only one process with rank 0, end what is left of an earlier run, or choose another port"
      : "give an address of the machine of rank 0, and a port above 1023",
  });
}

/**
 * A number of this machine is listened on alone; behind a name, or a number that some router translates,
 * all of the machine's: Debian knows its own name as 127.0.1.1, others by the address that leads there.
 */
async function listenHost(host: string): Promise<string> {
  if (host === "localhost") return (await lookup(host)).address;
  return isIP(host) && (await isOfThisMachine(host)) ? host : "::";
}

async function ownWay({ host, port }: Address): Promise<Address> {
  const listened = await listenHost(host);
  return { host: listened === "::" ? "127.0.0.1" : listened, port };
}

interface PeerOptions {
  readonly world: World;
  readonly place: string;
  readonly host: Address;
  /** Whether peers may be on other machines. */
  readonly isAbroad: boolean;
  readonly own: { readonly host: string | undefined; readonly port: number };
  readonly say: Say;
  /** By the host, if that is in this process. */
  readonly turnedAway: TurnedAway;
  /** Milliseconds until it comes back to a host that is gone: it must within the grace. */
  readonly backAfter: number;
}

type Told = Pick<Roster, "rank" | "addresses">;

class TcpPeer {
  private readonly process = randomBytes(8).toString("hex");
  private line: JsonLines | undefined;
  private socket: Socket | undefined;
  private told: Told | undefined;
  private here: readonly Guest[] = [];
  private trouble = "";
  private lostAt = 0;
  private refusal: UserError | undefined;
  private isClosed = false;
  private timer: NodeJS.Timeout | undefined;
  private pause = PAUSES.first;
  /** Wakes `meet`. */
  private changed = (): void => undefined;

  constructor(private readonly options: PeerOptions) {}

  async meet(patience: Patience): Promise<Told> {
    const { world, place, say } = this.options;
    this.dial();
    let said = "";
    for (;;) {
      if (this.told) break;
      if (this.refusal) throw this.refusal;
      if (patience.left <= 0) throw this.timedOut(patience.seconds);
      const text = this.here.length > 0 ? missingText(world.size, this.here) : this.trouble;
      if (text !== said && text !== "") say(`${place}: of ${world.size} peers ${text}`);
      said = text;
      await this.next(patience);
    }
    // What comes after the meeting keeps no process from ending.
    this.line?.unref();
    return this.told;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.line?.close();
    this.socket?.destroy();
  }

  /** Waits until something has changed, or the time is over. */
  private async next(patience: Patience): Promise<void> {
    const change = new Promise<void>((resolve) => {
      this.changed = resolve;
    });
    await Promise.race([change, patience.pause(1000)]);
  }

  private dial(): void {
    const socket = connect(this.options.host.port, this.options.host.host);
    this.socket = socket;
    socket.once("error", (error) => {
      this.trouble = `none can be asked: ${reasonOf(error)}`;
    });
    socket.once("close", () => this.dialLater());
    socket.once("connect", () => void this.greet(socket));
  }

  private dialLater(): void {
    this.changed();
    if (this.isClosed || this.refusal) return;
    this.timer = setTimeout(() => this.dial(), this.told ? this.options.backAfter : this.pause);
    if (this.told) this.timer.unref();
    this.pause = Math.min(PAUSES.most, 2 * this.pause);
  }

  private async greet(socket: Socket): Promise<void> {
    const { world, own } = this.options;
    this.lostAt = Infinity;
    this.line = new JsonLines(socket, maxLine(world.size), {
      line: (value) => this.heard(value),
      closed: () => {
        this.trouble = "none is known (the host has closed the connection)";
        this.lostAt = performance.now();
      },
    });
    if (this.told) this.line.unref();
    const host = own.host ?? (await this.hostBehind(socket));
    this.line.send({
      kind: "hello",
      version: 1,
      job: world.job,
      size: world.size,
      process: this.process,
      rank: this.told?.rank ?? world.rank,
      address: { host, port: own.port },
      roster: this.told && [...this.told.addresses],
    } satisfies Hello);
  }

  /** The end of the connection that is ours leads back to us, unless it is a loopback. */
  private async hostBehind(socket: Socket): Promise<string> {
    const local = (socket.localAddress ?? "").replace(/^::ffff:/, "");
    const isUseless = local === "" || (isLoopback(local) && this.options.isAbroad);
    return isUseless ? outwardHost() : local;
  }

  private heard(value: unknown): void {
    const message = toPeer.parse(value);
    this.pause = PAUSES.first;
    switch (message.kind) {
      case "wait":
        this.here = message.here;
        break;
      case "roster":
        this.told ??= message;
        break;
      case "alive":
        this.line?.send({ kind: "here" });
        return;
      case "refused":
        this.refused(message);
    }
    this.changed();
  }

  private refused({ problem, remedy }: { problem: string; remedy: string }): void {
    const { place, say } = this.options;
    this.refusal = new UserError({ place, problem, remedy });
    // After the meeting there is nobody left to throw it to: another process has our rank now.
    if (this.told) say(`${place}: ${problem}`);
  }

  private timedOut(seconds: number): TemporaryFailure {
    const { place, host, world, turnedAway } = this.options;
    // A host whose own time is over closes the connection a moment before.
    const isKnown = this.here.length > 0 && performance.now() - this.lostAt < RECENT_MILLISECONDS;
    if (isKnown) return notAllCame(place, world.size, seconds, this.here, turnedAway);
    return new TemporaryFailure({
      place,
      problem: `nobody has answered within ${seconds} s (${this.trouble || "no connection"})`,
      remedy: `start rank 0 on that machine, and let the others reach ${addressText(host)}`,
    });
  }
}

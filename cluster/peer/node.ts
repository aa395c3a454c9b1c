// One peer of the cluster, whatever thread it runs in: joins its membership, its links and its exchange.
import { UserError } from "../../src/config/user_error.ts";
import { UpdateBarrier } from "../collective/update_barrier.ts";
import type { Fence } from "../fence/fence.ts";
import { Membership } from "../membership/membership.ts";
import {
  type Hello,
  MAX_REASON,
  type Message,
  type MessageOf,
  PROTOCOL,
  type Progress,
} from "../membership/messages.ts";
import { isSame, type Member, ranksOf, type View, view as viewSchema } from "../membership/view.ts";
import { type DataHeader, ProtocolError } from "../wire/frame.ts";
import { ExchangeClock } from "./exchange_clock.ts";
import { JobStatus } from "./job_status.ts";
import { Links, type LinksEvents } from "./links.ts";
import type { NodeParts } from "./node_parts.ts";
import { objectionTo } from "./objection.ts";
import { ParameterHash } from "./parameter_hash.ts";
import type { Event, NodeRequest, SharedNumbers } from "./protocol.ts";
import { RareLines } from "./rare_lines.ts";
import { Shares } from "./shares.ts";
import { Strangers } from "./strangers.ts";
import { ViewExchange } from "./view_exchange.ts";
import { Watchdog } from "./watchdog.ts";

/** Milliseconds between two lines about who is still awaited. */
const AWAITING_EVERY = 5000;

type RequestHandlers = {
  readonly [K in NodeRequest["kind"]]: (request: Extract<NodeRequest, { kind: K }>) => void;
};

export class ClusterNode implements LinksEvents {
  private readonly self: Member;
  private readonly links: Links;
  private readonly membership: Membership;
  private readonly barrier: UpdateBarrier;
  private readonly clock: ExchangeClock;
  private readonly shares = new Shares();
  /** By rank, the last generation whose state a newcomer has asked for. */
  private readonly fetchers = new Map<number, number>();
  /** Of the present view; undefined while there is none, or it is being changed. */
  private exchange: ViewExchange | undefined;
  private isEnded = false;
  private readonly parameters: ParameterHash;
  private lastAwaiting: number;
  private readonly rare = new RareLines();
  private readonly watchdog: Watchdog;
  private readonly strangers = new Strangers();
  private readonly status: JobStatus;
  private numbers: SharedNumbers;

  private readonly requests: RequestHandlers = {
    begin: ({ step, slots }) => {
      this.parameters.take(this.barrier.step);
      this.exchange?.begin(step, slots);
    },
    final: ({ step, slot, elements }) => this.exchange?.finish(step, slot, elements),
    sums: (sums) => this.exchange?.giveSums(sums),
    room: ({ room }) => {
      this.numbers = { ...this.numbers, ...room };
      this.exchange?.useRoom(room);
    },
    installed: () =>
      this.onceUntouched(() => {
        this.parameters.take(this.barrier.step);
        this.membership.ready();
      }),
    share: ({ name, value }) => this.exchange?.share(name, value),
    fetch: () => this.onceUntouched((exchange) => exchange.fetch()),
    record: ({ text }) => this.exchange?.donate(text),
    progress: ({ report }) => this.status.setProgress(report),
    alive: () => undefined,
    leave: ({ reason }) => {
      this.end(this.membership.farewell(reason));
      this.tell({ kind: "left" });
    },
    fail: ({ reason, isMistake }) => this.fail(reason, isMistake),
  };

  constructor(private readonly parts: NodeParts) {
    const { settings, numbers, own, addresses, transport, step, fence, now } = parts;
    const { rank, size, incarnation, joining, patience } = settings;
    this.numbers = numbers;
    const tell = (event: Event): void => this.tell(event);
    const elements = numbers.gradients.reduce((sum, each) => sum + each.elements, 0);
    this.watchdog = new Watchdog(
      settings.hangsAfter,
      numbers.microBatches > 0 ? elements : undefined,
    );
    this.self = { rank, incarnation, ...own };
    this.barrier = new UpdateBarrier(step);
    this.clock = new ExchangeClock(now);
    this.parameters = new ParameterHash(numbers, parts.arithmetic);
    this.status = new JobStatus(parts);
    this.lastAwaiting = now();
    this.membership = new Membership(
      { self: this.self, size, joining, patience },
      {
        send: (to, message) => this.links.send(to, message),
        position: () => this.position(),
        abort: () => {
          this.exchange = undefined;
          this.shares.abort();
          this.links.dropData();
          this.links.divert();
        },
        learn: (members) => {
          for (const { rank: each, host, port } of members) {
            if (each !== rank) addresses.set(each, { host, port });
          }
        },
        install: (view) => this.install(view),
        assembled: ({ generation }) => tell({ kind: "assembled", generation }),
        suspended: (reason) => tell({ kind: "suspended", reason }),
        swap: fence && (async (expected, next) => await swap(fence, expected, next)),
        say: (line) => this.say(line),
      },
    );
    const greeting = (): Hello => this.greeting();
    const objection = (hello: Hello) => objectionTo(hello, this.greeting());
    this.links = new Links(
      {
        transport: this.strangers.watch(transport),
        self: this.self,
        addresses,
        patience,
        greeting,
        objection,
      },
      this,
    );
  }

  /** To be called a few times per second. */
  tick(): void {
    if (this.isEnded) return;
    const now = this.parts.now();
    const silent = this.watchdog.tick(now);
    if (silent !== undefined) {
      this.giveUp(silent);
      return;
    }
    this.membership.tick(now);
    this.links.tick(now, { t: "beat", ...this.membership.standing() });
    this.exchange?.remind();
    const { phase } = this.membership;
    if (phase !== "forming" && phase !== "suspended") return;
    if (now - this.lastAwaiting < AWAITING_EVERY) return;
    this.lastAwaiting = now;
    const ranks = this.membership.missing();
    const trouble = ranks.map((rank) => this.links.troubleWith(rank) ?? "has not come yet");
    if (ranks.length > 0) this.tell({ kind: "awaiting", ranks, trouble });
  }

  /** A connection that the listener accepted. */
  get accept(): Links["accept"] {
    return this.links.accept;
  }

  /** What the main thread asks for. */
  request(request: NodeRequest): void {
    if (this.isEnded) return;
    // What the main thread asked for before it heard of a new view is void.
    if ("generation" in request && request.generation !== this.membership.generation) return;
    this.watchdog.asked(request);
    const handle = this.requests[request.kind] as (request: NodeRequest) => void;
    handle(request);
  }

  /** A caller could not prove that it is a peer. */
  refused(remote: string, reason: string): void {
    this.sayRarely(reason, `${remote} is no peer of ours: ${reason}`);
  }

  close(): void {
    this.isEnded = true;
    this.links.close();
  }

  private tell(event: Event): void {
    this.watchdog.told(event);
    this.parts.tell(event);
  }

  /** The main thread hangs: the others go on without this peer, which cannot even end in good order. */
  private giveUp(seconds: number): void {
    const reason =
      `rank ${this.self.rank} hangs: its training has given no sign for ${seconds.toFixed(0)} s, ` +
      `after ${this.parts.settings.counts} ${this.barrier.step}`;
    this.end(this.membership.farewell(reason));
    this.parts.hangs(reason);
  }

  /** Stops the job on all peers. */
  private fail(reason: string, isMistake: boolean, isUnsaid = false): void {
    this.end({ t: "fail", reason: reason.slice(0, MAX_REASON), isMistake });
    this.tell({ kind: "failed", reason, isMistake, isUnsaid });
  }

  /** A job at work is ended by its members alone: whoever was not let in ends by itself. */
  private hearFailure(rank: number, message: MessageOf<"fail">): void {
    const { view } = this.membership;
    const { reason, isMistake } = message;
    const process = this.links.linkTo(rank)?.peer?.self;
    if (view && !view.members.some((member) => isSame(member, process))) {
      const line = `rank ${rank}, which is no member, ends: ${reason}`;
      this.sayRarely(line, line);
      return;
    }
    // To those, too, who have yet to hear that it is a member.
    this.end(message);
    this.tell({ kind: "failed", reason, isMistake });
  }

  private end(lastWord: Message): void {
    this.isEnded = true;
    this.exchange = undefined;
    for (const rank of this.links.ranks) this.links.send(rank, lastWord);
  }

  // ---- membership's effects ----

  private position(): Progress {
    const { phase } = this.membership;
    if (phase === "forming" || phase === "suspended") this.parameters.take(this.barrier.step);
    const { step, holds: held } = this.barrier;
    return { step, held, parameters: this.parameters.hash };
  }

  /**
   * In the present view, unless that ends before: once no frame of an earlier one is written into memory.
   * Only then may others write there, or they might be overwritten after their checksums have passed.
   */
  private onceUntouched(action: (exchange: ViewExchange) => void): void {
    const { exchange } = this;
    if (!exchange) return;
    this.links.whenUntouched(() => {
      if (this.exchange === exchange) action(exchange);
    });
  }

  private install(view: View): void {
    const { settings, arithmetic } = this.parts;
    const { barrier, clock, numbers } = this;
    const tell = (event: Event): void => this.tell(event);
    const { rank } = this.self;
    const { held, step } = barrier;
    const isFetching = view.fetching.includes(rank);
    const isBehind = step === view.resume - 1;
    if (!isFetching && step !== view.resume && !(isBehind && held)) {
      this.fail(
        `rank ${rank} made ${step} ${settings.counts}s and cannot go on after ${view.resume}`,
        false,
      );
      return;
    }
    barrier.install(view);
    this.links.divert();
    this.links.cutOff(ranksOf(view.members));
    this.parameters.forget();
    try {
      this.exchange = new ViewExchange({
        ...{ view, rank, wire: settings.wire, numbers, arithmetic, barrier, clock },
        ...{ shares: this.shares, tell },
        isFetching: (newcomer) => this.fetchers.get(newcomer) === view.generation,
        send: (to, message) => this.links.send(to, message),
        sendData: (to, header, payload, sent) =>
          this.links.linkTo(to)?.sendData(header, payload, sent),
        fail: (reason) => this.fail(reason, false),
        parameters: () => this.parameters.hash,
      });
    } catch (error) {
      this.fail((error as Error).message, error instanceof UserError);
      return;
    }
    tell({ kind: "view", view, held: isFetching || !isBehind ? undefined : held });
  }

  // ---- LinksEvents ----

  linked(hello: Hello): void {
    if (this.isEnded) return;
    this.membership.linked(hello);
    this.exchange?.remind();
  }

  unlinked(rank: number, reason: string): void {
    if (!this.isEnded) this.membership.unlinked(rank, reason);
  }

  message(rank: number, message: Message): void {
    if (this.isEnded) return;
    switch (message.t) {
      case "fail":
        this.hearFailure(rank, message);
        break;
      case "fetch":
        // It may know the view before this peer does.
        this.fetchers.set(rank, message.generation);
        if (message.generation === this.membership.generation) this.exchange?.donateTo(rank);
        break;
      case "sums":
      case "ready":
      case "share":
      case "shared":
      case "record":
        if (message.generation === this.membership.generation) {
          this.exchange?.received(rank, message);
        }
        break;
      case "hello":
      case "refuse":
      case "status":
      case "report":
      case "near":
      case "reach":
        throw new ProtocolError(`${message.t} among peers that know each other`);
      default:
        this.membership.received(rank, message);
    }
  }

  place(rank: number, header: DataHeader, bytes: number): Uint8Array | undefined {
    const { generation } = this.membership;
    if (header.generation > generation) {
      throw new ProtocolError(`data of generation ${header.generation} in ${generation}`);
    }
    if (header.generation < generation) return undefined;
    return this.exchange?.place(rank, header, bytes);
  }

  arrived(rank: number, header: DataHeader, payload: Uint8Array): void {
    this.parts.received?.(payload.byteLength);
    if (header.generation !== this.membership.generation) return;
    this.exchange?.arrived(rank, header, payload);
  }

  report(): string {
    const { membership, links, barrier, self } = this;
    return this.status.report({ membership, links, self, step: barrier.step });
  }

  fatal(reason: string): void {
    // A stranger must not stop a job at work; a job that cannot begin says why.
    if (this.membership.view !== undefined) this.sayRarely(reason, reason);
    else {
      const ranks = [...this.parts.addresses.keys()];
      const isUnsaid = this.strangers.has(reason);
      const rank = isUnsaid
        ? ranks.find((each) => this.links.troubleWith(each) === reason)
        : undefined;
      this.fail(rank === undefined ? reason : `rank ${rank}: ${reason}`, true, isUnsaid);
    }
  }

  say(line: string): void {
    this.status.addFault(line);
    this.tell({ kind: "say", line });
  }

  /** What others cause, who will come again. */
  private sayRarely(reason: string, line: string): void {
    if (this.rare.isDue(reason, this.parts.now())) this.say(line);
  }

  // ---- what this peer tells of itself ----

  private greeting(): Hello {
    const { size, job, joining, agreement } = this.parts.settings;
    const { parameters } = this.position();
    return {
      ...{ t: "hello", protocol: PROTOCOL, job, size, self: this.self, joining, parameters },
      ...{ agreement: { ...agreement }, clock: Date.now(), ...this.membership.standing() },
    };
  }
}

async function swap(fence: Fence, expected: number, next: View): Promise<View> {
  const standing = await fence.swap(expected, { generation: next.generation, view: next });
  return viewSchema.parse(standing.view);
}

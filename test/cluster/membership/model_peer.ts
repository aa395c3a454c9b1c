// One process of a model cluster: the real membership and barrier, put together as a node does it, with
// updates of which only the order matters and parameters that are one number.
import { UpdateBarrier } from "../../../cluster/collective/update_barrier.ts";
import type { MembershipEffects } from "../../../cluster/membership/contract.ts";
import { Membership } from "../../../cluster/membership/membership.ts";
import { type Hello, type Message, PROTOCOL } from "../../../cluster/membership/messages.ts";
import { type Member, ranksOf, type View } from "../../../cluster/membership/view.ts";
import { updated } from "./history.ts";

/** What a peer's surroundings do for it. */
export interface Surroundings {
  send(rank: number, message: Message): void;
  /** Runs something later, if the process is still there then. @param mean milliseconds. */
  later(mean: number, action: () => void): void;
  readonly swap: MembershipEffects["swap"];
  /** Ranks that it can call. */
  learned(ranks: readonly number[]): void;
  installed(view: View): void;
  /** It has these parameters after so many updates. */
  reached(step: number, parameters: number): void;
  /** Something has happened that must not. */
  violated(what: string): void;
  readonly say: (line: string) => void;
}

export interface ModelPeerOptions {
  readonly self: Member;
  readonly size: number;
  readonly joining: boolean;
  readonly patience: number;
  /** Updates that its checkpoint has, and the parameters. */
  readonly step: number;
  readonly parameters: number;
  /** Milliseconds that it computes for an update, in the mean. */
  readonly compute: number;
}

type ExchangeMessage = Extract<Message, { t: "sums" | "ready" | "record" }>;

interface Exchange {
  readonly view: View;
  /** The state may be had here, or is wanted here. */
  isDonor: boolean;
  isAsking: boolean;
  readonly given: Set<number>;
  isReadySent: boolean;
  /** Shares of the state that have come, by donor. */
  readonly shares: Map<number, string>;
}

export class ModelPeer {
  readonly membership: Membership;
  private readonly barrier: UpdateBarrier;
  private exchange: Exchange | undefined;
  private readonly asked = new Map<number, number>();
  /** After as many updates as the barrier says, unless the state is being fetched. */
  parameters: number;
  isWhole = true;

  constructor(
    private readonly options: ModelPeerOptions,
    private readonly surroundings: Surroundings,
  ) {
    const { self, size, joining, patience, step, parameters } = options;
    const { send, swap, say } = surroundings;
    this.barrier = new UpdateBarrier(step);
    this.parameters = parameters;
    this.membership = new Membership(
      { self, size, joining, patience },
      {
        send,
        position: () => this.position(),
        abort: () => {
          this.exchange = undefined;
        },
        learn: (members) => surroundings.learned(ranksOf(members)),
        install: (view) => this.install(view),
        assembled: () => this.compute(),
        suspended: say,
        swap,
        say,
      },
    );
  }

  get self(): Member {
    return this.options.self;
  }

  get step(): number {
    return this.barrier.step;
  }

  get greeting(): Hello {
    const { self, size, joining } = this.options;
    const constant = { t: "hello", protocol: PROTOCOL, job: "model", agreement: {} } as const;
    const { parameters } = this;
    const own = { self, size, joining, parameters, clock: 0 };
    return { ...constant, ...own, ...this.membership.standing() };
  }

  received(rank: number, message: Message): void {
    switch (message.t) {
      case "sums":
      case "ready":
      case "record":
        if (message.generation === this.exchange?.view.generation) this.take(rank, message);
        break;
      case "fetch":
        this.asked.set(rank, message.generation);
        if (message.generation === this.exchange?.view.generation) this.donate(this.exchange, rank);
        break;
      case "hello":
      case "refuse":
      case "status":
      case "report":
      case "fail":
      case "share":
      case "shared":
        throw new Error(`the model has no ${message.t}`);
      default:
        this.membership.received(rank, message);
    }
  }

  /** Asks for what it misses: to be called a few times per second. */
  remind(): void {
    const { exchange } = this;
    if (!exchange?.isAsking || this.isWhole) return;
    this.toOthers(exchange.view, { t: "fetch", generation: exchange.view.generation });
  }

  private position() {
    const { step, holds: held } = this.barrier;
    return { step, held, parameters: this.parameters };
  }

  private install(view: View): void {
    const { barrier, options, surroundings } = this;
    const { rank } = options.self;
    const { held, step } = barrier;
    const isFetching = view.fetching.includes(rank);
    if (!isFetching) {
      if (!this.isWhole) surroundings.violated(`rank ${rank} has no state and is to go on`);
      const rollsForward = step === view.resume - 1 && held !== undefined;
      if (step !== view.resume && !rollsForward) {
        surroundings.violated(`rank ${rank} made ${step}, and is to go on after ${view.resume}`);
      }
      if (rollsForward) this.apply(step);
    }
    surroundings.installed(view);
    barrier.install(view);
    this.generation = view.generation;
    this.isWhole = !isFetching;
    const exchange = {
      view,
      isDonor: false,
      isAsking: false,
      given: new Set<number>(),
      isReadySent: false,
      shares: new Map(),
    };
    this.exchange = exchange;
    surroundings.later(20, () => {
      if (this.exchange !== exchange) return;
      if (isFetching) {
        exchange.isAsking = true;
        this.remind();
        return;
      }
      exchange.isDonor = true;
      for (const each of view.fetching) {
        if (this.asked.get(each) === view.generation) this.donate(exchange, each);
      }
      this.membership.ready();
    });
  }

  /** The generation whose members have summed the update under way. */
  private generation = 0;

  private apply(step: number): void {
    this.parameters = updated(this.parameters, step, this.generation);
    this.surroundings.reached(step + 1, this.parameters);
  }

  private donate({ view, isDonor, given }: Exchange, rank: number): void {
    if (!isDonor || given.has(rank)) return;
    given.add(rank);
    const { generation } = view;
    const bytes = new TextEncoder().encode(String(this.parameters));
    this.surroundings.send(rank, { t: "record", generation, part: 0, parts: 1, bytes });
  }

  /** Computes this peer's share of the update under way. */
  private compute(): void {
    const { exchange, barrier, parameters } = this;
    const { step } = barrier;
    this.surroundings.later(this.options.compute, () => {
      if (this.exchange !== exchange || exchange === undefined) return;
      const { generation } = exchange.view;
      const sums = { rows: [], parameters, busy: 0 };
      this.toOthers(exchange.view, { t: "sums", generation, step, ...sums });
      barrier.addSums(this.options.self.rank, step, sums);
      this.advance(exchange);
    });
  }

  private take(rank: number, message: ExchangeMessage): void {
    const { exchange, barrier } = this;
    if (!exchange) return;
    if (message.t === "sums") barrier.addSums(rank, message.step, message);
    if (message.t === "ready") barrier.addReady(rank, message.step);
    if (message.t === "record") {
      this.takeShare(exchange, rank, new TextDecoder().decode(message.bytes));
    } else this.advance(exchange);
  }

  private takeShare({ view, shares }: Exchange, rank: number, text: string): void {
    shares.set(rank, text);
    const donors = ranksOf(view.members).filter((each) => !view.fetching.includes(each));
    if (!donors.every((donor) => shares.has(donor))) return;
    if (new Set(shares.values()).size !== 1) this.surroundings.violated("donors differ");
    this.parameters = Number(text);
    this.isWhole = true;
    this.surroundings.reached(view.resume, this.parameters);
    const { exchange } = this;
    this.surroundings.later(20, () => {
      if (this.exchange === exchange) this.membership.ready();
    });
  }

  private advance(exchange: Exchange): void {
    const { barrier, options, surroundings } = this;
    const { rank } = options.self;
    const { generation, members } = exchange.view;
    const { step } = barrier;
    if (!barrier.holds && ranksOf(members).every((each) => barrier.hasSums(each, step))) {
      barrier.addReduced();
    }
    const { held } = barrier;
    if (!held) return;
    if (!exchange.isReadySent) {
      const unlike = [...held.sums.values()].some(
        ({ parameters }) => parameters !== this.parameters,
      );
      if (unlike) surroundings.violated(`parameters differ at update ${step} of ${generation}`);
      exchange.isReadySent = true;
      this.toOthers(exchange.view, { t: "ready", generation, step });
      barrier.addReady(rank, step);
    }
    if (!barrier.take()) return;
    exchange.isReadySent = false;
    this.apply(step);
    this.compute();
  }

  private toOthers({ members }: View, message: Message): void {
    const { send } = this.surroundings;
    for (const rank of ranksOf(members)) if (rank !== this.options.self.rank) send(rank, message);
  }
}

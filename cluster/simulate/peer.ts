// One process of a simulated cluster: real membership and barrier, put together as cluster/peer/node.ts does
// it, and a main thread that computes for a while instead of training.
import type { Frame } from "../collective/reduction.ts";
import { UpdateBarrier } from "../collective/update_barrier.ts";
import { Membership } from "../membership/membership.ts";
import { type Hello, type Message, PROTOCOL } from "../membership/messages.ts";
import { type Member, ranksOf, type View } from "../membership/view.ts";
import { ExchangeClock } from "../peer/exchange_clock.ts";
import type { ExchangeStats } from "../peer/protocol.ts";
import { SimulatedExchange } from "./exchange.ts";
import type { Workload } from "./workload.ts";

/** What a peer's surroundings do for it; times are in seconds. */
export interface PeerSurroundings {
  readonly now: () => number;
  readonly after: (delay: number, action: () => void) => void;
  readonly send: (rank: number, message: Message) => void;
  readonly sendData: (rank: number, generation: number, frame: Frame, bytes: number) => void;
  readonly dropData: () => void;
  /** Seconds of one micro-batch, drawn anew for each. */
  readonly microBatch: () => number;
  /** This peer has heard that all members of its view have the state. */
  readonly assembled: () => void;
  readonly updated: (stats: ExchangeStats) => void;
}

export interface PeerOptions {
  readonly self: Member;
  /** Peers that there are at the beginning: what an update's micro-batches are counted by. */
  readonly size: number;
  readonly patience: number;
  readonly workload: Workload;
}

/** In how many parts a micro-batch's gradients become final. */
const PARTS = 16;

export class SimulatedPeer {
  readonly membership: Membership;
  private readonly barrier = new UpdateBarrier(0);
  private readonly clock: ExchangeClock;
  private readonly fetchers = new Map<number, number>();
  private exchange: SimulatedExchange | undefined;
  isAlive = true;

  constructor(
    readonly options: PeerOptions,
    private readonly surroundings: PeerSurroundings,
  ) {
    const { self, size, patience } = options;
    const { send, dropData, now } = surroundings;
    this.clock = new ExchangeClock(() => 1000 * now());
    this.membership = new Membership(
      { self, size, joining: false, patience: 1000 * patience },
      {
        send,
        position: () => {
          const { step, holds: held } = this.barrier;
          return { step, held, parameters: 0 };
        },
        abort: () => {
          this.exchange = undefined;
          dropData();
        },
        learn: () => undefined,
        install: (view) => this.install(view),
        assembled: () => {
          surroundings.assembled();
          this.compute();
        },
        suspended: () => undefined,
        say: () => undefined,
      },
    );
  }

  get rank(): number {
    return this.options.self.rank;
  }

  get greeting(): Hello {
    const { self, size } = this.options;
    const constant = { t: "hello", protocol: PROTOCOL, job: "simulated", agreement: {} } as const;
    const own = { self, size, joining: false, parameters: 0, clock: 0 };
    return { ...constant, ...own, ...this.membership.standing() };
  }

  tick(): void {
    this.membership.tick(1000 * this.surroundings.now());
    this.exchange?.remind();
  }

  received(rank: number, message: Message): void {
    if (!this.isAlive) return;
    switch (message.t) {
      case "sums":
      case "ready":
      case "record":
        if (message.generation === this.membership.generation) {
          this.exchange?.received(rank, message);
        }
        break;
      case "fetch":
        this.fetchers.set(rank, message.generation);
        if (message.generation === this.membership.generation) this.exchange?.donateTo(rank);
        break;
      case "hello":
      case "refuse":
      case "fail":
      case "share":
      case "shared":
      case "status":
      case "report":
        throw new Error(`nobody in a simulation sends ${message.t}`);
      default:
        this.membership.received(rank, message);
    }
  }

  arrived(rank: number, generation: number, frame: Frame, bytes: number): void {
    if (!this.isAlive || generation !== this.membership.generation) return;
    this.exchange?.arrived(rank, frame, bytes);
  }

  private install(view: View): void {
    const { options, surroundings, barrier, clock, rank } = this;
    barrier.install(view);
    const exchange: SimulatedExchange = new SimulatedExchange({
      ...{ view, rank, workload: options.workload, barrier, clock },
      isFetching: (newcomer) => this.fetchers.get(newcomer) === view.generation,
      send: surroundings.send,
      sendData: (to, frame, bytes) => surroundings.sendData(to, view.generation, frame, bytes),
      updated: (stats) => {
        surroundings.updated(stats);
        this.compute();
      },
      fetched: () => {
        if (this.exchange === exchange) this.membership.ready();
      },
    });
    this.exchange = exchange;
    // The main thread hears of it in its own time, not in the midst of the decision.
    surroundings.after(0, () => {
      if (!this.isAlive || this.exchange !== exchange) return;
      if (view.fetching.includes(rank)) exchange.fetch();
      else {
        exchange.donate();
        this.membership.ready();
      }
    });
  }

  /** Computes this peer's micro-batches of the update under way, and gives what is final of them. */
  private compute(): void {
    const { exchange, options, surroundings, membership } = this;
    if (!exchange || !membership.view) return;
    const { size, workload } = options;
    const ranks = ranksOf(membership.view.members);
    const place = ranks.indexOf(this.rank);
    const all = size * workload.updateFreq;
    const mine = Math.floor((all - 1 - place) / ranks.length) + 1;
    exchange.begin(ranks.flatMap((_, each) => (each < all ? [each] : [])));
    let time = 0;
    for (let number = 0; number < mine; number++) {
      const lasts = surroundings.microBatch();
      // As in training, the gradients of earlier micro-batches are not final before the last one's.
      if (number === mine - 1) {
        const backward = lasts * workload.backward;
        this.makeFinal(exchange, place, time + lasts - backward, backward);
      }
      time += lasts;
    }
    surroundings.after(time, () => {
      if (this.isAlive && this.exchange === exchange) exchange.giveSums([[place, [0, 0, 0, 0]]]);
    });
  }

  private makeFinal(exchange: SimulatedExchange, slot: number, begins: number, lasts: number) {
    const { parameters } = this.options.workload;
    for (let part = lasts > 0 ? 1 : PARTS; part <= PARTS; part++) {
      const elements = Math.ceil((part * parameters) / PARTS);
      this.surroundings.after(begins + (part * lasts) / PARTS, () => {
        if (this.isAlive && this.exchange === exchange) exchange.finish(slot, elements);
      });
    }
  }
}

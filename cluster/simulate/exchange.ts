// What goes on between the members of one view, as cluster/peer/view_exchange.ts has it, with the real
// schedule of the sums, the real barrier and the real transfer of the state; only the numbers are missing.
import { cutPieces } from "../collective/pieces.ts";
import type { Frame, Reduction } from "../collective/reduction.ts";
import type { UpdateBarrier } from "../collective/update_barrier.ts";
import type { Message, MessageOf } from "../membership/messages.ts";
import { ranksOf, type View } from "../membership/view.ts";
import type { ExchangeClock } from "../peer/exchange_clock.ts";
import type { ExchangeStats } from "../peer/protocol.ts";
import { StateTransfer } from "../peer/state_transfer.ts";
import { CODEC, KIND } from "../wire/frame.ts";
import { emptyReduction, gradientBlocks, stateBlocks, type Workload } from "./workload.ts";

export type ExchangeMessage = MessageOf<"sums" | "ready" | "record">;

export interface ExchangeParts {
  readonly view: View;
  readonly rank: number;
  readonly workload: Workload;
  readonly barrier: UpdateBarrier;
  readonly clock: ExchangeClock;
  /** Whether a newcomer has asked for the state of this view. */
  readonly isFetching: (rank: number) => boolean;
  readonly send: (rank: number, message: Message) => void;
  readonly sendData: (rank: number, frame: Frame, bytes: number) => void;
  /** All members hold an update: it is applied. */
  readonly updated: (stats: ExchangeStats) => void;
  /** The state is there. */
  readonly fetched: () => void;
}

/** What a newcomer gets besides numbers: about as long as a record of training. */
const RECORD = "x".repeat(4000);

export class SimulatedExchange {
  private readonly ranks: readonly number[];
  private readonly reduction: Reduction;
  private readonly transfer: StateTransfer;
  private isReadySent = false;
  private isDonor = false;
  private isAsking = false;
  private isFetched = false;
  private readonly served = new Set<number>();

  constructor(private readonly parts: ExchangeParts) {
    const { view, rank, workload, barrier, clock } = parts;
    this.ranks = ranksOf(view.members);
    const peers = this.ranks.length;
    const pieces = cutPieces(gradientBlocks(workload), peers);
    const place = { self: this.ranks.indexOf(rank), peers, pieces };
    this.reduction = emptyReduction(workload, place, {
      send: (to, frame, _, bytes) => {
        clock.sent(bytes);
        parts.sendData(this.ranks[to], frame, bytes);
      },
      taken: () => undefined,
      hasBegun: (each, step) => barrier.hasSums(this.ranks[each], step),
      reduced: () => {
        clock.reduced();
        barrier.addReduced();
        this.advance();
      },
    });
    this.transfer = new StateTransfer(view, rank, stateBlocks(workload));
  }

  begin(slots: readonly number[]): void {
    const { barrier, clock } = this.parts;
    clock.begin();
    this.reduction.begin(barrier.step, slots);
  }

  finish(slot: number, elements: number): void {
    this.parts.clock.final();
    this.reduction.finish(slot, elements);
  }

  giveSums(rows: MessageOf<"sums">["rows"]): void {
    const { barrier, view, rank } = this.parts;
    const { step } = barrier;
    const sums = { rows, parameters: 0, busy: 0 };
    this.toOthers({ t: "sums", generation: view.generation, step, ...sums });
    barrier.addSums(rank, step, sums);
    this.advance();
  }

  fetch(): void {
    this.isAsking = true;
    this.remind();
  }

  remind(): void {
    const { generation } = this.parts.view;
    if (this.isAsking && !this.isFetched) this.toOthers({ t: "fetch", generation });
  }

  donate(): void {
    const { view, isFetching } = this.parts;
    this.isDonor = true;
    for (const rank of view.fetching) if (isFetching(rank)) this.donateTo(rank);
  }

  donateTo(rank: number): void {
    const { transfer, parts, served } = this;
    if (!this.isDonor || !parts.view.fetching.includes(rank) || served.has(rank)) return;
    served.add(rank);
    for (const message of transfer.record(RECORD)) parts.send(rank, message);
    const { resume: step } = parts.view;
    for (const { piece, bytes } of transfer.share()) {
      parts.sendData(rank, { kind: KIND.state, step, piece, slot: 0, codec: CODEC.bytes }, bytes);
    }
  }

  received(rank: number, message: ExchangeMessage): void {
    const { barrier } = this.parts;
    if (message.t === "record") {
      this.transfer.addRecord(message);
      this.checkFetched();
      return;
    }
    if (message.t === "ready") barrier.addReady(rank, message.step);
    else {
      barrier.addSums(rank, message.step, message);
      if (message.step === barrier.step) this.reduction.begun(this.ranks.indexOf(rank));
    }
    this.advance();
  }

  arrived(rank: number, frame: Frame, bytes: number): void {
    if (frame.kind === KIND.state) {
      this.transfer.place(frame, bytes);
      this.transfer.add(frame);
      this.checkFetched();
      return;
    }
    const from = this.ranks.indexOf(rank);
    this.reduction.place(from, frame, bytes);
    this.parts.clock.received(bytes);
    this.reduction.arrived(from, frame);
  }

  private checkFetched(): void {
    if (this.isFetched || !this.transfer.isFetching || this.transfer.complete === undefined) return;
    this.isFetched = true;
    this.parts.fetched();
  }

  private advance(): void {
    const { barrier, view, rank, clock, updated } = this.parts;
    const { held } = barrier;
    if (!held) return;
    if (!this.isReadySent) {
      this.isReadySent = true;
      this.toOthers({ t: "ready", generation: view.generation, step: held.step });
      barrier.addReady(rank, held.step);
    }
    if (!barrier.take()) return;
    this.isReadySent = false;
    updated(clock.take());
  }

  private toOthers(message: Message): void {
    for (const rank of this.ranks) if (rank !== this.parts.rank) this.parts.send(rank, message);
  }
}

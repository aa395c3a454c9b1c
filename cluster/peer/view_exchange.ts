// What goes on between the members of one view: updates, shared values, state for newcomers. It ends with
// the view, and nothing of it outlives that but what the barrier holds.
import type { Arithmetic } from "../collective/codec.ts";
import { codecOf } from "../collective/codec.ts";
import { openReduction } from "../collective/open_reduction.ts";
import { cutPieces } from "../collective/pieces.ts";
import type { Reduction } from "../collective/reduction.ts";
import { reductionMemory } from "../collective/reduction_memory.ts";
import type { UpdateBarrier } from "../collective/update_barrier.ts";
import type { Message, MessageOf } from "../membership/messages.ts";
import { ranksOf, type View } from "../membership/view.ts";
import { CODEC, type DataHeader, KIND, ProtocolError, type Wire } from "../wire/frame.ts";
import { cutText } from "../wire/text_parts.ts";
import { difference } from "./difference.ts";
import type { ExchangeClock } from "./exchange_clock.ts";
import type { Event, ExchangeRoom, Request, SharedNumbers } from "./protocol.ts";
import type { SharedValues, Shares } from "./shares.ts";
import { StateTransfer } from "./state_transfer.ts";

/** The messages of an exchange. */
export type ExchangeMessage = MessageOf<"sums" | "ready" | "share" | "shared" | "record">;

export interface ViewExchangeParts {
  readonly view: View;
  readonly rank: number;
  readonly wire: Wire;
  readonly numbers: SharedNumbers;
  readonly arithmetic: Arithmetic;
  readonly barrier: UpdateBarrier;
  readonly clock: ExchangeClock;
  readonly shares: Shares;
  readonly send: (rank: number, message: Message) => void;
  readonly sendData: (
    rank: number,
    header: DataHeader,
    payload: Uint8Array,
    sent?: () => void,
  ) => void;
  readonly tell: (event: Event) => void;
  /** Whether a newcomer has left its memory to those who have the state. */
  readonly isFetching: (rank: number) => boolean;
  /** Stops the job everywhere. */
  readonly fail: (reason: string) => void;
  /** Hash of the parameters that this peer's gradients belong to. */
  readonly parameters: () => number;
}

export class ViewExchange {
  private readonly ranks: readonly number[];
  private reduction: Reduction;
  private readonly transfer: StateTransfer;
  /** All that newcomers need besides numbers, once the numbers are in memory. */
  private record: string | undefined;
  /** Newcomers that have been sent this peer's part of the state. */
  private readonly served = new Set<number>();
  private isAsking = false;
  private isReadySent = false;
  private isFetched = false;

  /** @throws UserError if there is no memory for so many peers. */
  constructor(private readonly parts: ViewExchangeParts) {
    const { view, rank, numbers } = parts;
    this.ranks = ranksOf(view.members);
    this.reduction = this.open(numbers);
    this.transfer = new StateTransfer(view, rank, numbers.state);
  }

  /** Before this peer is installed, until when nobody begins an update. @throws UserError as above */
  useRoom(room: ExchangeRoom): void {
    this.reduction = this.open(room);
  }

  private open({ microBatches, scratch }: ExchangeRoom): Reduction {
    const { rank, wire, numbers, arithmetic, barrier, clock } = this.parts;
    const peers = this.ranks.length;
    const pieces = cutPieces(numbers.gradients, peers);
    const codec = codecOf(wire, arithmetic);
    const slots = Math.max(peers, microBatches);
    const self = this.ranks.indexOf(rank);
    const isByMicroBatch = microBatches > 0;
    const options = { self, peers, pieces, slots, isByMicroBatch, codec, arithmetic };
    return openReduction(options, reductionMemory(options, scratch), {
      send: (place, frame, address, bytes, sent) =>
        this.sendData(this.ranks[place], frame, address, bytes, sent),
      taken: (slot) => this.taken(slot),
      hasBegun: (place, step) => barrier.hasSums(this.ranks[place], step),
      reduced: () => {
        clock.reduced();
        barrier.addReduced();
        this.advance();
      },
    });
  }

  begin(step: number, slots: readonly number[]): void {
    if (step !== this.parts.barrier.step) return;
    this.parts.clock.begin();
    this.reduction.begin(step, slots);
  }

  /** So many elements of the gradients of one of this peer's slots are final. */
  finish(step: number, slot: number, elements: number): void {
    if (step !== this.parts.barrier.step) return;
    this.parts.clock.final();
    this.reduction.finish(slot, elements);
  }

  private taken(slot: number): void {
    const { tell, view, barrier } = this.parts;
    tell({ kind: "taken", generation: view.generation, step: barrier.step, slot });
  }

  /** What the criterion summed over this peer's batches. */
  giveSums({ step, rows, busy }: Extract<Request, { kind: "sums" }>): void {
    const { barrier, view, rank, parameters } = this.parts;
    if (step !== barrier.step) return;
    const sums = { rows, busy, parameters: parameters() };
    this.toOthers({ t: "sums", generation: view.generation, step, ...sums });
    barrier.addSums(rank, step, sums);
    this.advance();
  }

  share(name: string, value: string): void {
    const { view, rank, shares } = this.parts;
    const { generation } = view;
    // It may have been shared in an earlier view, whose end the main thread did not hear.
    const known = shares.completed(name);
    if (known) {
      this.complete(name, known);
      return;
    }
    for (const part of cutText(value)) this.toOthers({ t: "share", generation, name, ...part });
    this.addShare(rank, name, value);
  }

  /** Lets the others write the state. */
  fetch(): void {
    this.isAsking = true;
    this.remind();
  }

  /** Says it again while it waits: to some there may have been no connection. */
  remind(): void {
    const { generation } = this.parts.view;
    if (this.isAsking && !this.isFetched) this.toOthers({ t: "fetch", generation });
  }

  /** This peer's part of the state may be had. @param record the rest of the state. */
  donate(record: string): void {
    this.record = record;
    const { fetching } = this.parts.view;
    for (const rank of fetching) if (this.parts.isFetching(rank)) this.donateTo(rank);
  }

  /** Sends a newcomer, who waits for it, this peer's part of the state; unless it is not there yet. */
  donateTo(rank: number): void {
    const { transfer, parts, record } = this;
    const { fetching, resume: step } = parts.view;
    if (record === undefined || !fetching.includes(rank) || this.served.has(rank)) return;
    this.served.add(rank);
    for (const message of transfer.record(record)) parts.send(rank, message);
    for (const { piece, address, bytes } of transfer.share()) {
      const frame = { kind: KIND.state, step, piece, slot: 0, codec: CODEC.bytes };
      this.sendData(rank, frame, address, bytes);
    }
  }

  /** A message of this exchange has come. */
  received(rank: number, message: ExchangeMessage): void {
    const { barrier } = this.parts;
    if (message.t === "sums") {
      barrier.addSums(rank, message.step, message);
      if (message.step === barrier.step) {
        this.parts.clock.othersFinal(message.busy);
        this.reduction.begun(this.ranks.indexOf(rank));
      }
    }
    if (message.t === "ready") barrier.addReady(rank, message.step);
    if (message.t === "share") this.hearShare(rank, message);
    if (message.t === "shared") {
      const values = this.parts.shares.addAnswer(rank, this.parts.rank, message);
      if (values) this.complete(message.name, values);
    }
    if (message.t === "record") {
      this.transfer.addRecord(message);
      this.checkFetched();
    } else this.advance();
  }

  /** Where the payload of a frame of this view belongs. */
  place(rank: number, header: DataHeader, bytes: number): Uint8Array {
    const place = this.ranks.indexOf(rank);
    if (place < 0) throw new ProtocolError(`rank ${rank} is no member of this view`);
    const address =
      header.kind === KIND.state
        ? this.transfer.place(header, bytes)
        : this.reduction.place(place, header, bytes);
    return new Uint8Array(this.parts.numbers.memory.buffer, address, bytes);
  }

  arrived(rank: number, header: DataHeader, payload: Uint8Array): void {
    const { arithmetic, clock } = this.parts;
    const found = arithmetic.checksum(payload.byteOffset, payload.byteLength, 0);
    if (found !== header.checksum) {
      throw new ProtocolError(`a damaged frame: checksum ${found}, not ${header.checksum}`);
    }
    clock.received(payload.byteLength);
    if (header.kind === KIND.state) {
      this.transfer.add(header);
      this.checkFetched();
    } else this.reduction.arrived(this.ranks.indexOf(rank), header);
  }

  private hearShare(from: number, message: MessageOf<"share">): void {
    const { shares } = this.parts;
    const { name, part } = message;
    const known = shares.completed(name);
    if (known) {
      if (part === 0) this.answer(from, name, known);
      return;
    }
    const value = shares.addPart(from, name, message);
    if (value !== undefined) this.addShare(from, name, value);
  }

  /** Tells one that has missed it what all had shared. */
  private answer(to: number, name: string, values: SharedValues): void {
    const { send, view } = this.parts;
    const of = { t: "shared", generation: view.generation, name, count: values.length } as const;
    for (const [rank, value] of values) {
      for (const part of cutText(value)) send(to, { ...of, rank, ...part });
    }
  }

  private addShare(rank: number, name: string, value: string): void {
    const { shares } = this.parts;
    shares.add(rank, name, value);
    const values = shares.take(name, this.ranks);
    if (values) this.complete(name, values);
  }

  private complete(name: string, values: SharedValues): void {
    const { shares, view, tell } = this.parts;
    shares.complete(name, values);
    tell({ kind: "shared", generation: view.generation, name, values });
  }

  private checkFetched(): void {
    const record = this.transfer.isFetching && !this.isFetched ? this.transfer.complete : undefined;
    if (record === undefined) return;
    this.isFetched = true;
    this.parts.tell({ kind: "fetched", generation: this.parts.view.generation, record });
  }

  /** Says that this peer holds the update, and has it applied when all do. */
  private advance(): void {
    const { barrier, view, rank, clock, shares, tell, fail } = this.parts;
    const { generation } = view;
    const { held } = barrier;
    if (!held) return;
    if (!this.isReadySent) {
      const unlike = difference(held);
      if (unlike !== undefined) {
        fail(unlike);
        return;
      }
      this.isReadySent = true;
      this.toOthers({ t: "ready", generation, step: held.step });
      barrier.addReady(rank, held.step);
    }
    if (!barrier.take()) return;
    shares.forget();
    this.isReadySent = false;
    tell({ kind: "update", generation, held, exchange: clock.take() });
  }

  private sendData(
    rank: number,
    frame: Omit<DataHeader, "generation" | "checksum">,
    address: number,
    bytes: number,
    sent?: () => void,
  ): void {
    const { arithmetic, numbers, clock, view, sendData } = this.parts;
    const checksum = arithmetic.checksum(address, bytes, 0);
    clock.sent(bytes);
    const payload = new Uint8Array(numbers.memory.buffer, address, bytes);
    sendData(rank, { ...frame, generation: view.generation, checksum }, payload, sent);
  }

  private toOthers(message: Message): void {
    for (const rank of this.ranks) if (rank !== this.parts.rank) this.parts.send(rank, message);
  }
}

// Reduce-scatter and all-gather over a full mesh: everyone sends each piece to its owner, who adds the
// contributions in the order of the members and sends the sum to all. Two hops, one rounding each way.
//
// Memory, with W bytes per element on the wire, n elements, N peers:
//   received   contributions to this peer's pieces, one row for each slot: about n W
//   encoded    this peer's contributions and sums as they are sent, and others' sums: n W (not for f32)
//   residual   what rounding lost, f32: n (int8 only)
//   sum        one piece, f32
import { KIND, ProtocolError } from "../wire/frame.ts";
import type { Piece } from "./pieces.ts";
import type { Frame, Reduction, ReductionEffects } from "./reduction.ts";
import { aligned, type ReductionMemory, type ReductionOptions } from "./reduction_memory.ts";

/** What has happened to a piece in this update. */
interface Progress {
  /** Slots whose contributions to it are final; of this peer's own slots also: are on their way. */
  readonly given: Set<number>;
  isDone: boolean;
}

/** A contribution of this peer's. */
interface OwnSlot {
  readonly slot: number;
  /** Elements that are final, and pieces that have not left the gradients' memory yet. */
  elements: number;
  remaining: number;
}

export class DirectReduction implements Reduction {
  private readonly encodedAt: readonly number[];
  private readonly receivedAt: readonly number[];
  private step = -1;
  /** Known once this peer has begun the update; before, only contributions are taken in. */
  private slots: readonly number[] | undefined;
  private progress: Progress[] = [];
  private remaining = 0;
  private readonly own = new Map<number, OwnSlot>();
  /** Sums for peers that give nothing to this update and have not begun it. */
  private readonly withheld = new Map<number, Piece[]>();
  constructor(
    private readonly options: ReductionOptions,
    private readonly memory: ReductionMemory,
    private readonly effects: ReductionEffects,
  ) {
    const { pieces, codec, self } = options;
    let encoded = memory.encoded;
    let received = memory.received;
    const encodedAt: number[] = [];
    const receivedAt: number[] = [];
    for (const { owner, elements } of pieces) {
      const bytes = aligned(codec.bytes(elements));
      encodedAt.push(encoded);
      receivedAt.push(received);
      if (!codec.isPlain) encoded += bytes;
      if (owner === self) received += options.slots * bytes;
    }
    this.encodedAt = encodedAt;
    this.receivedAt = receivedAt;
  }

  begin(step: number, slots: readonly number[]): void {
    const { pieces } = this.options;
    this.open(step);
    this.slots = slots;
    for (const slot of this.slotsOf(this.options.self)) {
      this.own.set(slot, { slot, elements: 0, remaining: pieces.length });
    }
    for (const piece of pieces) this.settle(piece);
  }

  begun(place: number): void {
    const pieces = this.withheld.get(place) ?? [];
    this.withheld.delete(place);
    for (const piece of pieces) this.sendSum(place, piece);
  }

  finish(slot: number, elements: number): void {
    const own = this.own.get(slot);
    if (!own) return;
    own.elements = Math.max(own.elements, elements);
    // Rank r begins with the piece of rank r + 1, so that no owner is overrun by all at once.
    const { pieces, peers, self } = this.options;
    for (let round = 0; round < pieces.length; round += peers) {
      if (pieces[round].start >= own.elements) break;
      for (let turn = 1; turn <= peers; turn++) {
        const piece = pieces[round + ((self + turn) % peers)];
        if (piece && piece.start + piece.elements <= own.elements) this.contribute(own, piece);
      }
    }
  }

  place(
    from: number,
    { kind, step, piece: number, slot, codec: id }: Frame,
    bytes: number,
  ): number {
    const { pieces, codec, self } = this.options;
    const piece = pieces[number];
    if (piece === undefined) throw new ProtocolError(`there is no piece ${number}`);
    if (id !== codec.id) throw new ProtocolError(`a payload of codec ${id}, not ${codec.id}`);
    if (bytes !== codec.bytes(piece.elements)) {
      throw new ProtocolError(
        `piece ${number} of ${bytes} bytes, not ${codec.bytes(piece.elements)}`,
      );
    }
    // A quick peer begins the next update as soon as all hold this one.
    if (step === this.step + 1 || this.step < 0) {
      if (this.remaining > 0)
        throw new ProtocolError(`update ${step} before the end of ${this.step}`);
      this.open(step);
    }
    const progress = this.progress[number];
    if (kind === KIND.contribution) {
      const isDue = piece.owner === self && this.mayGive(from, slot) && !progress.given.has(slot);
      if (!isDue || step !== this.step) {
        throw new ProtocolError(`contribution ${slot} of place ${from} to ${number} is not due`);
      }
      return this.received(piece, slot);
    }
    if (piece.owner !== from || step !== this.step || !this.awaits(piece)) {
      throw new ProtocolError(`the sum of piece ${number} is not due from place ${from}`);
    }
    return codec.isPlain ? piece.address : this.encodedAt[number];
  }

  arrived(_from: number, { kind, piece: number, slot }: Frame): void {
    const piece = this.options.pieces[number];
    if (kind === KIND.contribution) {
      this.progress[number].given.add(slot);
      this.settle(piece);
      return;
    }
    const { codec } = this.options;
    if (!codec.isPlain) codec.decode(piece.address, this.encodedAt[number], piece.elements);
    this.done(piece);
  }

  private open(step: number): void {
    if (step === this.step) return;
    this.step = step;
    this.slots = undefined;
    this.own.clear();
    this.withheld.clear();
    this.remaining = this.options.pieces.length;
    this.progress = this.options.pieces.map(() => ({ given: new Set(), isDone: false }));
  }

  private slotsOf(place: number): number[] {
    return (this.slots ?? []).filter((slot) => slot % this.options.peers === place);
  }

  private mayGive(place: number, slot: number): boolean {
    const { slots, peers } = this.options;
    if (slot >= slots || slot % peers !== place) return false;
    return this.slots === undefined || this.slots.includes(slot);
  }

  /** Whether the sum of another's piece may come: it has what this peer gives. */
  private awaits({ number }: Piece): boolean {
    const { isDone, given } = this.progress[number];
    if (this.slots === undefined || isDone) return false;
    return [...this.own.keys()].every((slot) => given.has(slot));
  }

  private contribute(own: OwnSlot, piece: Piece): void {
    const { given } = this.progress[piece.number];
    const { slot } = own;
    if (given.has(slot)) return;
    given.add(slot);
    const taken = (): void => {
      if (--own.remaining === 0) this.effects.taken(slot);
    };
    const { codec, self } = this.options;
    const { number, address, elements } = piece;
    if (piece.owner === self) {
      if (this.options.isByMicroBatch) this.encode(piece, this.received(piece, slot));
      taken();
      this.settle(piece);
      return;
    }
    const from = codec.isPlain ? address : this.encodedAt[number];
    if (!codec.isPlain) this.encode(piece, from);
    const frame = {
      kind: KIND.contribution,
      step: this.step,
      piece: number,
      slot,
      codec: codec.id,
    };
    this.effects.send(piece.owner, frame, from, codec.bytes(elements), taken);
  }

  /** Sums a piece of one's own once all contributions to it are there. */
  private settle(piece: Piece): void {
    const { options, slots } = this;
    const { self, codec, peers } = options;
    const progress = this.progress[piece.number];
    if (piece.owner !== self || progress.isDone || slots === undefined) return;
    if (!slots.every((slot) => progress.given.has(slot))) return;
    this.sum(piece, slots);
    if (!codec.isPlain) {
      // The owner rounds its own copy too, or it would be the only one to have the exact sum.
      this.encode(piece, this.encodedAt[piece.number]);
      codec.decode(piece.address, this.encodedAt[piece.number], piece.elements);
    }
    for (let turn = 1; turn < peers; turn++) {
      const place = (self + turn) % peers;
      if (this.slotsOf(place).length > 0 || this.effects.hasBegun(place, this.step)) {
        this.sendSum(place, piece);
      } else this.withheld.set(place, [...(this.withheld.get(place) ?? []), piece]);
    }
    this.done(piece);
  }

  private sendSum(place: number, { number: piece, address, elements }: Piece): void {
    const { codec } = this.options;
    const from = codec.isPlain ? address : this.encodedAt[piece];
    const frame = { kind: KIND.result, step: this.step, piece, slot: 0, codec: codec.id };
    this.effects.send(place, frame, from, codec.bytes(elements));
  }

  /** Adds contributions in their order: the sum does not depend on who is quick. */
  private sum(piece: Piece, slots: readonly number[]): void {
    const { self, codec, arithmetic } = this.options;
    const { address, elements } = piece;
    const [first, ...rest] = slots;
    const isHere = (slot: number): boolean => slot === self && !this.options.isByMicroBatch;
    if (slots.length === 1 && isHere(first)) return;
    const total = isHere(first) ? address : this.memory.sum;
    if (!isHere(first)) codec.decode(total, this.received(piece, first), elements);
    for (const slot of rest) {
      if (isHere(slot)) arithmetic.addF32(total, address, elements);
      else codec.add(total, this.received(piece, slot), elements);
    }
    if (total !== address) arithmetic.copy(address, total, 4 * elements);
  }

  private encode({ address, elements, start }: Piece, target: number): void {
    const { codec } = this.options;
    const residual = codec.keepsResidual ? this.memory.residual + 4 * start : 0;
    codec.encode(target, address, residual, elements);
  }

  /** Where a contribution to one of this peer's pieces lies. */
  private received({ number, elements }: Piece, slot: number): number {
    return this.receivedAt[number] + slot * aligned(this.options.codec.bytes(elements));
  }

  private done({ number }: Piece): void {
    this.progress[number].isDone = true;
    if (--this.remaining === 0) this.effects.reduced();
  }
}

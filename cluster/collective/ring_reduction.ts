// Reduce-scatter and all-gather around a ring, for many peers: the partial sum of a piece begins at the peer
// behind its owner and goes round to the owner, who sends the sum round. As many bytes as in a full mesh,
// over one connection each way; 2 (N - 1) hops, and below f32 a rounding at each of the first N - 1.
//
// Memory, with W bytes per element on the wire and n elements:
//   received   partial sums on their way through this peer: n W
//   encoded    what this peer sends: n W
//   residual   what rounding lost, f32: n (int8 only)
import { KIND, ProtocolError } from "../wire/frame.ts";
import type { Piece } from "./pieces.ts";
import type { Frame, Reduction, ReductionEffects } from "./reduction.ts";
import { aligned, type ReductionMemory, type ReductionOptions } from "./reduction_memory.ts";

/** What has happened to a piece in this update. */
interface Progress {
  isFinal: boolean;
  /** The partial sum of those before this peer has come, or this peer is the first. */
  hasPartial: boolean;
  isPassed: boolean;
  isDone: boolean;
}

export class RingReduction implements Reduction {
  private readonly places: readonly number[];
  private readonly self: number;
  private readonly next: number;
  private readonly previous: number;
  private step = -1;
  private hasBegun = false;
  private contributes = false;
  private progress: Progress[] = [];
  private remaining = 0;

  constructor(
    private readonly options: ReductionOptions,
    private readonly memory: ReductionMemory,
    private readonly effects: ReductionEffects,
  ) {
    const { self, peers, pieces, codec } = options;
    this.self = self;
    this.next = (self + 1) % peers;
    this.previous = (self + peers - 1) % peers;
    let offset = 0;
    this.places = pieces.map(({ elements }) => {
      const place = offset;
      offset += aligned(codec.bytes(elements));
      return place;
    });
  }

  begin(step: number, slots: readonly number[]): void {
    this.open(step);
    this.hasBegun = true;
    this.contributes = slots.includes(this.self);
    if (!this.contributes) this.finishAll();
    else for (const piece of this.options.pieces) this.pass(piece);
  }

  begun(): void {}

  finish(slot: number, elements: number): void {
    if (slot !== this.self || !this.hasBegun) return;
    for (const piece of this.options.pieces) {
      if (piece.start + piece.elements > elements) break;
      this.progress[piece.number].isFinal = true;
      this.pass(piece);
    }
  }

  place(from: number, frame: Frame, bytes: number): number {
    const { pieces, codec } = this.options;
    const { kind, step, piece: number } = frame;
    const piece = pieces[number];
    if (piece === undefined || frame.codec !== codec.id || from !== this.previous) {
      throw new ProtocolError(`piece ${number} of codec ${frame.codec} from place ${from}`);
    }
    if (bytes !== codec.bytes(piece.elements)) {
      throw new ProtocolError(
        `piece ${number} of ${bytes} bytes, not ${codec.bytes(piece.elements)}`,
      );
    }
    if (step === this.step + 1 || this.step < 0) {
      if (this.remaining > 0)
        throw new ProtocolError(`update ${step} before the end of ${this.step}`);
      this.open(step);
    }
    const progress = this.progress[number];
    if (kind === KIND.contribution) {
      if (step !== this.step || progress.hasPartial || this.isFirst(piece)) {
        throw new ProtocolError(`a partial sum of piece ${number} is not due`);
      }
      return this.memory.received + this.places[number];
    }
    if (step !== this.step || !progress.isPassed || progress.isDone || piece.owner === this.self) {
      throw new ProtocolError(`the sum of piece ${number} is not due`);
    }
    return this.encodedAt(piece);
  }

  arrived(_from: number, { kind, piece: number }: Frame): void {
    const piece = this.options.pieces[number];
    if (kind === KIND.contribution) {
      this.progress[number].hasPartial = true;
      this.pass(piece);
      return;
    }
    const { codec } = this.options;
    if (piece.owner !== this.next) this.send(KIND.result, piece);
    codec.decode(piece.address, this.encodedAt(piece), piece.elements);
    this.done(piece);
  }

  private open(step: number): void {
    if (step === this.step) return;
    this.step = step;
    this.hasBegun = false;
    this.remaining = this.options.pieces.length;
    this.progress = this.options.pieces.map((piece) => ({
      ...{ isFinal: false, isPassed: false, isDone: false },
      hasPartial: this.isFirst(piece),
    }));
  }

  /** Whether the partial sum of a piece begins here. */
  private isFirst({ owner }: Piece): boolean {
    return (owner + 1) % this.options.peers === this.self;
  }

  /** This peer has no batch: it adds nothing, and passes on. */
  private finishAll(): void {
    for (const piece of this.options.pieces) {
      this.progress[piece.number].isFinal = true;
      this.pass(piece);
    }
  }

  /** Adds this peer's gradients to a partial sum and sends it on, once both are there. */
  private pass(piece: Piece): void {
    const progress = this.progress[piece.number];
    if (!this.hasBegun || !progress.isFinal || !progress.hasPartial || progress.isPassed) return;
    progress.isPassed = true;
    this.add(piece);
    const { codec } = this.options;
    const residual = codec.keepsResidual ? this.memory.residual + 4 * piece.start : 0;
    codec.encode(this.encodedAt(piece), piece.address, residual, piece.elements);
    if (piece.owner !== this.self) {
      this.send(KIND.contribution, piece);
      return;
    }
    codec.decode(piece.address, this.encodedAt(piece), piece.elements);
    this.send(KIND.result, piece);
    this.done(piece);
  }

  private add(piece: Piece): void {
    const { codec, arithmetic, peers } = this.options;
    const { address, elements } = piece;
    const partial = this.memory.received + this.places[piece.number];
    if (!this.contributes) {
      if (this.isFirst(piece)) arithmetic.fill(address, 4 * elements);
      else codec.decode(address, partial, elements);
    } else if (!this.isFirst(piece) && peers > 1) codec.add(address, partial, elements);
  }

  private send(kind: typeof KIND.contribution | typeof KIND.result, piece: Piece): void {
    const { codec } = this.options;
    const frame = { kind, step: this.step, piece: piece.number, slot: 0, codec: codec.id };
    this.effects.send(this.next, frame, this.encodedAt(piece), codec.bytes(piece.elements));
  }

  private encodedAt({ number }: Piece): number {
    return this.memory.encoded + this.places[number];
  }

  private done({ number }: Piece): void {
    this.progress[number].isDone = true;
    if (--this.remaining === 0) this.effects.reduced();
  }
}

// Reduce-scatter and all-gather over a full mesh: everyone sends each piece to its owner, who adds the
// contributions in the order of the members and sends the sum to all. Two hops, one rounding each way.
//
// Memory, with W bytes per element on the wire, n elements, N peers:
//   received   (N - 1) contributions to this peer's pieces: about n W
//   encoded    this peer's contributions and sums as they are sent, and others' sums: n W (not for f32)
//   residual   what rounding lost, f32: n (int8 only)
//   sum        one piece, f32
import { UserError } from "../../src/config/user_error.ts";
import { KIND, ProtocolError } from "../wire/frame.ts";
import type { Arithmetic, Codec, CodecBytes } from "./codec.ts";
import { type Block, cutPieces, type Piece } from "./pieces.ts";
import type { Frame, Reduction, ReductionEffects } from "./reduction.ts";

/** Where the scratch memory lies. */
export interface DirectMemory {
  readonly received: number;
  readonly encoded: number;
  readonly residual: number;
  readonly sum: number;
}

export interface DirectOptions {
  /** Place of this peer in the view, and how many there are. */
  readonly self: number;
  readonly peers: number;
  readonly pieces: readonly Piece[];
  readonly codec: Codec;
  readonly arithmetic: Arithmetic;
}

/** What decides how memory is laid out. */
type Layout = Pick<DirectOptions, "self" | "peers" | "pieces"> & { readonly codec: CodecBytes };

/** Bytes of each part of the scratch memory. */
function bytesOf({ self, peers, pieces, codec }: Layout) {
  const payload = ({ elements }: Piece): number => aligned(codec.bytes(elements));
  const total = (some: readonly Piece[], bytes: (piece: Piece) => number): number =>
    some.reduce((sum, piece) => sum + bytes(piece), 0);
  const own = pieces.filter(({ owner }) => owner === self);
  return {
    received: (peers - 1) * total(own, payload),
    encoded: codec.isPlain ? 0 : total(pieces, payload),
    residual: codec.keepsResidual ? total(pieces, ({ elements }) => 4 * elements) : 0,
    sum: 4 * Math.max(0, ...pieces.map(({ elements }) => elements)),
  };
}

/** Bytes of scratch memory that suffice for clusters of up to `peers`. */
export function scratchBytes(blocks: readonly Block[], codec: CodecBytes, peers: number): number {
  const needs = Array.from({ length: peers }, (_, i) => {
    const pieces = cutPieces(blocks, i + 1);
    const { received, encoded, residual, sum } = bytesOf({ self: 0, peers: i + 1, pieces, codec });
    return received + encoded + residual + sum;
  });
  return Math.max(...needs);
}

/** Divides the scratch memory. @throws UserError if it is too small for so many peers. */
export function directMemory(
  options: Layout,
  scratch: { readonly address: number; readonly bytes: number },
): DirectMemory {
  const bytes = bytesOf(options);
  // What rounding lost stays where it is, whoever comes or goes: it is first.
  const residual = scratch.address;
  const encoded = residual + bytes.residual;
  const received = encoded + bytes.encoded;
  const sum = received + bytes.received;
  if (sum + bytes.sum - scratch.address > scratch.bytes) {
    throw new UserError({
      place: "--max-peers",
      problem: `memory was set aside for fewer peers than the ${options.peers} that there are`,
      remedy: "start all peers with a larger --max-peers",
    });
  }
  return { residual, encoded, received, sum };
}

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** What has happened to a piece in this update. */
interface Progress {
  /** This peer's gradients of it are final and, if it is another's, on their way. */
  isFinal: boolean;
  /** Places whose contributions to it have arrived. */
  readonly given: Set<number>;
  isDone: boolean;
}

export class DirectReduction implements Reduction {
  private readonly encodedAt: readonly number[];
  private readonly receivedAt: readonly number[];
  private step = -1;
  /** Known once this peer has begun the update; before, only contributions are taken in. */
  private contributors: readonly number[] | undefined;
  private progress: Progress[] = [];
  private remaining = 0;
  /** Sums for peers that give nothing to this update and have not begun it. */
  private readonly withheld = new Map<number, Piece[]>();
  private finalElements = 0;

  constructor(
    private readonly options: DirectOptions,
    private readonly memory: DirectMemory,
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
      if (owner === self) received += (options.peers - 1) * bytes;
    }
    this.encodedAt = encodedAt;
    this.receivedAt = receivedAt;
  }

  begin(step: number, contributors: readonly number[]): void {
    this.open(step);
    this.contributors = contributors;
    this.finalElements = contributors.includes(this.options.self) ? 0 : Number.POSITIVE_INFINITY;
    for (const piece of this.options.pieces) this.settle(piece);
  }

  begun(place: number): void {
    const pieces = this.withheld.get(place) ?? [];
    this.withheld.delete(place);
    for (const piece of pieces) this.sendSum(place, piece);
  }

  finish(elements: number): void {
    this.finalElements = Math.max(this.finalElements, elements);
    // Rank r begins with the piece of rank r + 1, so that no owner is overrun by all at once.
    const { pieces, peers, self } = this.options;
    for (let round = 0; round < pieces.length; round += peers) {
      if (pieces[round].start >= this.finalElements) break;
      for (let turn = 1; turn <= peers; turn++) {
        const piece = pieces[round + ((self + turn) % peers)];
        if (piece && piece.start + piece.elements <= this.finalElements) this.contribute(piece);
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
      if (piece.owner !== self || slot !== from || step !== this.step || progress.given.has(from)) {
        throw new ProtocolError(`a contribution of place ${from} to piece ${number} is not due`);
      }
      return this.receivedFrom(piece, from);
    }
    if (piece.owner !== from || step !== this.step || !this.awaits(piece)) {
      throw new ProtocolError(`the sum of piece ${number} is not due from place ${from}`);
    }
    return codec.isPlain ? piece.address : this.encodedAt[number];
  }

  arrived(from: number, { kind, piece: number }: Frame): void {
    const piece = this.options.pieces[number];
    if (kind === KIND.contribution) {
      this.progress[number].given.add(from);
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
    this.contributors = undefined;
    this.finalElements = 0;
    this.remaining = this.options.pieces.length;
    this.progress = this.options.pieces.map(() => ({
      isFinal: false,
      given: new Set(),
      isDone: false,
    }));
  }

  /** Whether the sum of another's piece may come: it has what this peer gives. */
  private awaits({ number }: Piece): boolean {
    const { contributors, progress } = this;
    if (contributors === undefined || progress[number].isDone) return false;
    return progress[number].isFinal || !contributors.includes(this.options.self);
  }

  private contribute(piece: Piece): void {
    const progress = this.progress[piece.number];
    if (progress.isFinal) return;
    progress.isFinal = true;
    const { codec, self } = this.options;
    if (piece.owner === self) {
      this.settle(piece);
      return;
    }
    const bytes = codec.bytes(piece.elements);
    const address = codec.isPlain ? piece.address : this.encodedAt[piece.number];
    if (!codec.isPlain) this.encode(piece);
    const frame = { kind: KIND.contribution, step: this.step, piece: piece.number, slot: self };
    this.effects.send(piece.owner, { ...frame, codec: codec.id }, address, bytes);
  }

  /** Sums a piece of one's own once all contributions to it are there. */
  private settle(piece: Piece): void {
    const { options, contributors } = this;
    const { self, codec, peers } = options;
    const progress = this.progress[piece.number];
    if (piece.owner !== self || progress.isDone || contributors === undefined) return;
    const isThere = (place: number): boolean =>
      place === self ? progress.isFinal : progress.given.has(place);
    if (!contributors.every(isThere)) return;
    this.sum(piece, contributors);
    if (!codec.isPlain) {
      // The owner rounds its own copy too, or it would be the only one to have the exact sum.
      this.encode(piece);
      codec.decode(piece.address, this.encodedAt[piece.number], piece.elements);
    }
    for (let turn = 1; turn < peers; turn++) {
      const place = (self + turn) % peers;
      if (contributors.includes(place) || this.effects.hasBegun(place, this.step)) {
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

  /** Adds contributions in the order of the members: the sum does not depend on who is quick. */
  private sum(piece: Piece, contributors: readonly number[]): void {
    const { self, codec, arithmetic } = this.options;
    const { address, elements } = piece;
    const [first, ...rest] = contributors;
    if (contributors.length === 1 && first === self) return;
    const isInPlace = first === self;
    const total = isInPlace ? address : this.memory.sum;
    if (!isInPlace) codec.decode(total, this.receivedFrom(piece, first), elements);
    for (const place of rest) {
      if (place === self) arithmetic.addF32(total, address, elements);
      else codec.add(total, this.receivedFrom(piece, place), elements);
    }
    if (!isInPlace) arithmetic.copy(address, total, 4 * elements);
  }

  private encode({ number, address, elements, start }: Piece): void {
    const { codec } = this.options;
    const residual = codec.keepsResidual ? this.memory.residual + 4 * start : 0;
    codec.encode(this.encodedAt[number], address, residual, elements);
  }

  private receivedFrom({ number, elements }: Piece, place: number): number {
    const { codec, self } = this.options;
    const row = place < self ? place : place - 1;
    return this.receivedAt[number] + row * aligned(codec.bytes(elements));
  }

  private done({ number }: Piece): void {
    this.progress[number].isDone = true;
    if (--this.remaining === 0) this.effects.reduced();
  }
}

// Frames that wait for the kernel. Urgent ones overtake what has not begun; nothing cuts into a frame.
import type { SendOptions } from "./transport.ts";

/** Beginnings of frames are gathered up to this size: a header of 30 bytes is no packet of its own. */
const GATHER = 16 * 1024;

/** Pieces that are given out together. */
export const MOST_PIECES = 64;

interface Frame {
  readonly pieces: readonly Uint8Array[];
  readonly sent: (() => void) | undefined;
  /** Bytes that the kernel has not taken. */
  left: number;
  /** The piece that goes on, and how much of it is taken. */
  piece: number;
  taken: number;
}

/** The queue of one connection, emptied by `next` (or `pieces`) and `took` in turn. */
export class SendQueue {
  readonly #urgent: Frame[] = [];
  #ordinary: Frame[] = [];
  /** Where the beginnings of frames are gathered. */
  readonly #gathered = new Uint8Array(GATHER);
  #begun: Frame | undefined;
  #queued = 0;
  #taken = 0;

  /** Bytes that wait. */
  get queued(): number {
    return this.#queued;
  }

  /** Bytes that the kernel has taken since the beginning. */
  get taken(): number {
    return this.#taken;
  }

  push(pieces: readonly Uint8Array[], { urgent = false, sent }: SendOptions = {}): void {
    const left = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (left === 0) {
      sent?.();
      return;
    }
    this.#queued += left;
    (urgent ? this.#urgent : this.#ordinary).push({ pieces, sent, left, piece: 0, taken: 0 });
  }

  /**
   * The bytes to write next, from one frame, which has begun with that. They stay as they are until
   * `took`. Undefined where nothing waits.
   */
  next(): Uint8Array | undefined {
    this.#begun ??= this.#urgent.shift() ?? this.#ordinary.shift();
    const frame = this.#begun;
    if (!frame) return undefined;
    const rest = frame.pieces[frame.piece].subarray(frame.taken);
    if (rest.length >= GATHER || rest.length === frame.left) return rest;
    let gathered = 0;
    for (let i = frame.piece; i < frame.pieces.length && gathered < GATHER; i++) {
      const piece = i === frame.piece ? rest : frame.pieces[i];
      const part = piece.subarray(0, GATHER - gathered);
      this.#gathered.set(part, gathered);
      gathered += part.length;
    }
    return this.#gathered.subarray(0, gathered);
  }

  /** As `next`, for who writes from several places at once: all that waits, of several frames. */
  pieces(): Uint8Array[] {
    this.#begun ??= this.#urgent.shift() ?? this.#ordinary.shift();
    const found: Uint8Array[] = [];
    if (!this.#begun) return found;
    for (const frames of [[this.#begun], this.#urgent, this.#ordinary]) {
      for (const frame of frames) {
        for (let i = frame.piece; i < frame.pieces.length; i++) {
          if (found.length === MOST_PIECES) return found;
          const rest = frame.pieces[i].subarray(i === frame.piece ? frame.taken : 0);
          if (rest.length > 0) found.push(rest);
        }
      }
    }
    return found;
  }

  /** The kernel has taken the first `count` bytes of what `next` or `pieces` gave just before. */
  took(count: number): void {
    this.#queued -= count;
    this.#taken += count;
    const sent: (() => void)[] = [];
    for (let left = count; left > 0; ) {
      this.#begun ??= this.#urgent.shift() ?? this.#ordinary.shift();
      const frame = this.#begun;
      if (!frame) return;
      const part = Math.min(left, frame.left);
      left -= part;
      if (advance(frame, part)) continue;
      this.#begun = undefined;
      if (frame.sent) sent.push(frame.sent);
    }
    // Only now: they may push frames, which would change the order that was given out.
    for (const each of sent) each();
  }

  /** Forgets frames that are neither urgent nor begun. */
  dropOrdinary(): void {
    this.#queued -= this.#ordinary.reduce((sum, { left }) => sum + left, 0);
    this.#ordinary = [];
  }

  /** Forgets everything. */
  clear(): void {
    this.#urgent.length = 0;
    this.#ordinary = [];
    this.#begun = undefined;
    this.#queued = 0;
  }
}

/** So many bytes more of a frame are taken. @returns whether any are left. */
function advance(frame: Frame, count: number): boolean {
  frame.left -= count;
  if (frame.left === 0) return false;
  frame.taken += count;
  while (frame.taken >= frame.pieces[frame.piece].length) {
    frame.taken -= frame.pieces[frame.piece].length;
    frame.piece++;
  }
  return true;
}

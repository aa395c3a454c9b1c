// How the flat gradients are cut: into pieces that travel in one frame each, every peer owning its share.

/** A run of elements that lies in one block of memory: a segment of the flat gradients. */
export interface Block {
  readonly address: number;
  readonly elements: number;
}

export interface Piece {
  readonly number: number;
  /** Place of its owner in the view. */
  readonly owner: number;
  /** Elements from the start of all blocks. */
  readonly start: number;
  readonly elements: number;
  readonly address: number;
}

/** Largest piece: 256 KiB of f32. Larger ones wait longer for their last byte, smaller ones cost calls. */
export const MAX_PIECE = 65536;

/** Pieces are cut at multiples of this. */
const GRAIN = 64;

/**
 * Cuts blocks, in the order in which the backward pass finishes them, into pieces of near equal size, so
 * that each of `peers` owns as many and rounds of `peers` pieces follow each other.
 */
export function cutPieces(blocks: readonly Block[], peers: number): Piece[] {
  const pieces: Piece[] = [];
  let before = 0;
  for (const { address, elements } of blocks) {
    const rounds = Math.ceil(elements / (peers * MAX_PIECE));
    const size = Math.ceil(elements / (rounds * peers * GRAIN)) * GRAIN;
    for (let at = 0; at < elements; at += size) {
      const number = pieces.length;
      const owner = number % peers;
      const length = Math.min(size, elements - at);
      pieces.push({
        ...{ number, owner, start: before + at, elements: length },
        address: address + 4 * at,
      });
    }
    before += elements;
  }
  return pieces;
}

export const elementsOf = (blocks: readonly Block[]): number =>
  blocks.reduce((sum, { elements }) => sum + elements, 0);

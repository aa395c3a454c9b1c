// What a reduction works with, and how its scratch memory is laid out.
import { UserError } from "../../src/config/user_error.ts";
import type { Arithmetic, Codec, CodecBytes } from "./codec.ts";
import { type Block, cutPieces, type Piece } from "./pieces.ts";

/** Up to so many peers send each other everything directly; more of them form a ring. */
export const DIRECT_PEERS = 16;

export interface ReductionOptions {
  /** Place of this peer in the view, and how many there are. */
  readonly self: number;
  readonly peers: number;
  readonly pieces: readonly Piece[];
  readonly codec: Codec;
  readonly arithmetic: Arithmetic;
  /** How many contributions there may be. */
  readonly slots: number;
  /**
   * Whether each micro-batch is a contribution of its own, rounded as on the wire even where it is not
   * sent, so that no bit of the sum depends on who computes which. Else each peer gives one, the sum of
   * its micro-batches.
   */
  readonly isByMicroBatch: boolean;
}

/** Where the scratch memory lies. */
export interface ReductionMemory {
  readonly received: number;
  readonly encoded: number;
  readonly residual: number;
  readonly sum: number;
}

/** What decides how memory is laid out. */
type Layout = Pick<ReductionOptions, "self" | "peers" | "pieces" | "slots"> & {
  readonly codec: CodecBytes;
};

export const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;

const total = (pieces: readonly Piece[], bytes: (piece: Piece) => number): number =>
  pieces.reduce((sum, piece) => sum + bytes(piece), 0);

/** Bytes of each part of the scratch memory. */
function bytesOf({ self, peers, slots, pieces, codec }: Layout) {
  const payload = ({ elements }: Piece): number => aligned(codec.bytes(elements));
  const plain = ({ elements }: Piece): number => 4 * elements;
  const own = pieces.filter(({ owner }) => owner === self);
  const all = total(pieces, payload);
  return {
    residual: codec.keepsResidual ? total(pieces, plain) : 0,
    encoded: codec.isPlain && peers <= DIRECT_PEERS ? 0 : all,
    received: receivedBytes(),
    sum: Math.max(0, ...pieces.map(plain)),
  };

  function receivedBytes(): number {
    if (peers === 1) return total(pieces, plain); // the running sum of all contributions
    return peers <= DIRECT_PEERS ? slots * total(own, payload) : all;
  }
}

/**
 * Bytes of scratch memory that suffice for clusters of up to `peers`.
 *
 * @param microBatches of an update, if each is a contribution of its own; else 0.
 */
export function scratchBytes(
  blocks: readonly Block[],
  codec: CodecBytes,
  peers: number,
  microBatches = 0,
): number {
  let most = 0;
  for (let count = 1; count <= peers; count++) {
    const pieces = cutPieces(blocks, count);
    const slots = Math.max(count, microBatches);
    for (let self = 0; self < Math.min(count, DIRECT_PEERS); self++) {
      const bytes = bytesOf({ self, peers: count, slots, pieces, codec });
      most = Math.max(most, bytes.received + bytes.encoded + bytes.residual + bytes.sum);
    }
  }
  return most;
}

/** Divides the scratch memory. @throws UserError if it is too small for so many peers. */
export function reductionMemory(
  options: Layout,
  scratch: { readonly address: number; readonly bytes: number },
): ReductionMemory {
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

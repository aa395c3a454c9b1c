// What is trained: sizes and times of one update, as far as the exchange notices them.
import { type Codec, codecBytes } from "../collective/codec.ts";
import { DirectReduction } from "../collective/direct_reduction.ts";
import { openReduction } from "../collective/open_reduction.ts";
import type { Block, Piece } from "../collective/pieces.ts";
import type { Reduction, ReductionEffects } from "../collective/reduction.ts";
import { RingReduction } from "../collective/ring_reduction.ts";
import { CODEC, type Wire } from "../wire/frame.ts";

export interface Workload {
  readonly parameters: number;
  readonly wire: Wire;
  /** How gradients are summed: as training does it, or always in one way. */
  readonly algorithm: "auto" | "direct" | "ring";
  /** Micro-batches of an update for each peer that there is at the beginning. */
  readonly updateFreq: number;
  /** Seconds that a peer computes for that many. */
  readonly compute: number;
  /** Standard deviation of a micro-batch's time, as a share of it. */
  readonly spread: number;
  /** Last share of a micro-batch's time in which its gradients become final, one after another. */
  readonly backward: number;
}

/** Elements of a block of the flat gradients at most: as large as training makes its segments. */
const BLOCK_ELEMENTS = 2 ** 25;

/** Numbers that a newcomer fetches for each parameter: itself and two moments. */
const STATE_PER_PARAMETER = 3;

function blocksOf(elements: number): Block[] {
  return Array.from({ length: Math.ceil(elements / BLOCK_ELEMENTS) }, (_, i) => ({
    address: 4 * BLOCK_ELEMENTS * i,
    elements: Math.min(BLOCK_ELEMENTS, elements - i * BLOCK_ELEMENTS),
  }));
}

export const gradientBlocks = ({ parameters }: Workload): Block[] => blocksOf(parameters);

export const stateBlocks = ({ parameters }: Workload): Block[] =>
  blocksOf(STATE_PER_PARAMETER * parameters);

const nothing = (): void => undefined;

/** Knows sizes, and touches no memory. */
const emptyCodec = (wire: Wire): Codec => ({
  ...codecBytes(wire),
  ...{ id: CODEC[wire], encode: nothing, decode: nothing, add: nothing },
});

const emptyArithmetic = {
  ...{ addF32: nothing, toBf16: nothing, fromBf16: nothing, addBf16: nothing, toInt8: nothing },
  ...{ fromInt8: nothing, addInt8: nothing, copy: nothing, fill: nothing },
  ...{ checksum: () => 0 },
};

/** The schedule that training would follow, without numbers. */
export function emptyReduction(
  { wire, algorithm }: Workload,
  place: { readonly self: number; readonly peers: number; readonly pieces: readonly Piece[] },
  effects: ReductionEffects,
): Reduction {
  const options = {
    ...{ ...place, slots: place.peers, isByMicroBatch: false },
    ...{ codec: emptyCodec(wire), arithmetic: emptyArithmetic },
  };
  const memory = { received: 0, encoded: 0, residual: 0, sum: 0 };
  if (algorithm === "auto" || place.peers === 1) return openReduction(options, memory, effects);
  const Chosen = algorithm === "ring" ? RingReduction : DirectReduction;
  return new Chosen(options, memory, effects);
}

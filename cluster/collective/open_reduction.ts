// Which collective serves how many peers.
import { UserError } from "../../src/config/user_error.ts";
import { DirectReduction } from "./direct_reduction.ts";
import type { Reduction, ReductionEffects } from "./reduction.ts";
import { DIRECT_PEERS, type ReductionMemory, type ReductionOptions } from "./reduction_memory.ts";
import { RingReduction } from "./ring_reduction.ts";
import { SoloReduction } from "./solo_reduction.ts";

/** @throws UserError if micro-batches are to be summed one by one among too many peers. */
export function openReduction(
  options: ReductionOptions,
  memory: ReductionMemory,
  effects: ReductionEffects,
): Reduction {
  const { peers, isByMicroBatch } = options;
  if (peers === 1) return new SoloReduction(options, memory, effects);
  if (peers <= DIRECT_PEERS) return new DirectReduction(options, memory, effects);
  if (!isByMicroBatch) return new RingReduction(options, memory, effects);
  throw new UserError({
    place: "--reproducible",
    problem: `is for up to ${DIRECT_PEERS} peers that send each other everything; there are ${peers}`,
    remedy: "leave it out, or use fewer peers",
  });
}

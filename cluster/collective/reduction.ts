// The contract of a collective: sums the members' gradients of one update into everybody's memory.
import type { DataHeader } from "../wire/frame.ts";

/** What a reduction sends; the node knows generation and checksum. */
export type Frame = Pick<DataHeader, "kind" | "step" | "piece" | "slot" | "codec">;

export interface ReductionEffects {
  /**
   * Sends `bytes` bytes of memory to a place in the view. They stay as they are until the update ends, or
   * until `sent` is called.
   */
  send(place: number, frame: Frame, address: number, bytes: number, sent?: () => void): void;
  /** All of a contribution has left the gradients' memory, which may be used for the next one. */
  taken(slot: number): void;
  /** Whether a peer has begun an update: until then its gradients' memory may still be in use. */
  hasBegun(place: number, step: number): boolean;
  /** Everything is in the gradients' memory. */
  reduced(): void;
}

export interface Reduction {
  /**
   * This peer knows the update's batches.
   * @param slots the contributions that are summed, in this order; slot s is given by place s % peers.
   */
  begin(step: number, slots: readonly number[]): void;
  /** Another peer has begun the update. */
  begun(place: number): void;
  /** The first `elements` of the gradients of one of this peer's slots are final. */
  finish(slot: number, elements: number): void;
  /** Where a payload belongs. @throws ProtocolError if it is not due. */
  place(from: number, frame: Frame, bytes: number): number;
  arrived(from: number, frame: Frame): void;
}

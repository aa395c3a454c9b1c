import type { Address } from "../transport/transport.ts";

/** What a meeting tells once all peers have come. */
export interface Roster {
  readonly rank: number;
  /** By rank. */
  readonly addresses: readonly Address[];
  /**
   * Until then this process lets those that are started anew find the others. It does not keep the
   * process from ending.
   */
  close(): void;
}

/** Takes a line for the log: who is still missing. */
export type Say = (line: string) => void;
